import { describeError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

/** An answer to a probe; the reasons are for a person, and may be given when all is well, too. */
export interface Probe {
  readonly ok: boolean;
  readonly reasons: readonly string[];
}

/** What is served. Probes are asked at every request and must answer from memory. */
export interface HttpHandlers {
  /** Whether the agent does its work: `/readyz`. */
  ready(): Probe;
  /** False only when a restart of the agent would help: `/livez`. */
  live(): Probe;
  /** The metrics as text, of the media type `metricsContentType`. */
  metrics(): Promise<string>;
  readonly metricsContentType: string;
}

/** What is sent back for one request. */
interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Answers requests by method and path, the query included; never rejects. */
export type Router = (method: string, url: string) => Promise<Answer>;

const plainText = { 'content-type': 'text/plain; charset=utf-8' };

/** The router over the handlers. A handler that fails is logged once, and again only after it has worked meanwhile. */
export function createRouter(handlers: HttpHandlers, log: Log): Router {
  const routes: Readonly<Record<string, () => Promise<Answer> | Answer>> = {
    '/': () => text(200, '/livez\n/readyz\n/metrics\n'),
    '/livez': () => describeProbe(handlers.live()),
    '/readyz': () => describeProbe(handlers.ready()),
    '/metrics': async () => ({
      status: 200,
      headers: { 'content-type': handlers.metricsContentType },
      body: await handlers.metrics(),
    }),
  };
  const failing = new Set<string>();

  return async (method, url) => {
    const path = url.split('?', 1)[0] ?? '';
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) return text(404, 'not found: / lists what is served\n');
    if (method !== 'GET' && method !== 'HEAD') {
      return {
        ...text(405, 'only GET and HEAD are served\n'),
        headers: { ...plainText, allow: 'GET, HEAD' },
      };
    }
    try {
      const answer = await route();
      failing.delete(path);
      return answer;
    } catch (error) {
      if (!failing.has(path))
        log.error({ path, error: describeError(error) }, 'cannot answer an HTTP request');
      failing.add(path);
      return text(500, `failed: ${describeError(error)}\n`);
    }
  };
}

function text(status: number, body: string): Answer {
  return { status, headers: plainText, body };
}

/** One line for each reason, after `ok` when all is well. */
function describeProbe({ ok, reasons }: Probe): Answer {
  const lines = reasons.map((reason) => reason.replaceAll(/\s*[\r\n]\s*/g, ' '));
  if (ok) lines.unshift('ok');
  else if (lines.length === 0) lines.push('not ok');
  return text(ok ? 200 : 503, `${lines.join('\n')}\n`);
}
