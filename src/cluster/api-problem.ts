import { describeError, systemErrorCode } from '../lib/errors.ts';
import type { ApiProblem } from './node-api.ts';

/** What the API server has answered instead of a node. */
export interface ErrorAnswer {
  readonly code: number;
  /** The answer's body, parsed or as text: a `Status` of Kubernetes, if the server is one. */
  readonly body: unknown;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Who was asked about what. */
export interface Asked {
  readonly nodeName: string;
  /** What it was about, for example `node gpu-1`. */
  readonly subject: string;
  readonly purpose: Purpose;
  readonly server: string;
  readonly timeoutMs: number;
}

/** What was to be done at the API server. */
export type Purpose =
  | 'write-status'
  | 'write-condition'
  | 'write-taints'
  | 'write-labels'
  | 'read-labels'
  | 'watch-labels'
  | 'read-annotations'
  | 'watch-annotations'
  | 'tell'
  | 'tell-pod';

const purposes: Readonly<
  Record<Purpose, { readonly what: string; readonly act: string; readonly needs: string }>
> = {
  'write-status': {
    what: 'the status of',
    act: 'write the status of',
    needs: 'the verbs get and patch on nodes/status, as in deploy/fast-status',
  },
  'write-condition': {
    what: 'the status of',
    act: 'write a condition of',
    needs: 'the verbs get and patch on nodes/status, as in deploy/health',
  },
  'write-taints': {
    what: 'the taints of',
    act: 'write the taints of',
    needs: 'the verbs get and patch on nodes, as in deploy/health/taint.yaml',
  },
  'write-labels': {
    what: 'the labels of',
    act: 'write the labels of',
    needs: 'the verbs get and patch on nodes, as in deploy/labels',
  },
  'read-labels': {
    what: 'the labels of',
    act: 'read the labels of',
    needs: 'the verbs list and watch on nodes, as in deploy/config-per-node',
  },
  'watch-labels': {
    what: 'the labels of',
    act: 'watch the labels of',
    needs: 'the verb watch on nodes, as in deploy/config-per-node',
  },
  'read-annotations': {
    what: 'the annotations of',
    act: 'read the annotations of',
    needs: 'the verbs list and watch on nodes, as in deploy/health',
  },
  'watch-annotations': {
    what: 'the annotations of',
    act: 'watch the annotations of',
    needs: 'the verb watch on nodes, as in deploy/health',
  },
  tell: {
    what: 'an Event about',
    act: 'write an Event about',
    needs: 'the verbs create and patch on events, as in deploy/config-per-node',
  },
  'tell-pod': {
    what: 'an Event about',
    act: 'write an Event about',
    needs: 'the verbs create and patch on events of all namespaces, as in deploy/health',
  },
};

/**
 * The problem for a person.
 * @param answer `null`: there was none, and `thrown` says why
 */
export function describeProblem(answer: ErrorAnswer | null, thrown: unknown, asked: Asked): ApiProblem {
  if (answer === null) return noAnswer(thrown, asked);
  const { nodeName, subject } = asked;
  const { what, act, needs } = purposes[asked.purpose];
  const said = `HTTP ${answer.code}${quote(statusMessage(answer.body))}`;
  const retryAfterMs = readRetryAfter(answer.headers['retry-after']);
  switch (answer.code) {
    case 401:
    case 403:
      return {
        kind: 'refused',
        retryAfterMs,
        message: `the API server does not let the agent ${act} ${subject} (${said}): it needs a ClusterRole with ${needs}`,
      };
    case 404:
      return {
        kind: 'no-node',
        retryAfterMs,
        message:
          asked.purpose === 'tell-pod'
            ? `there is no place for ${what} ${subject} (${said})`
            : noSuchNode(nodeName, said),
      };
    case 409:
      return {
        kind: 'conflict',
        retryAfterMs,
        message: `somebody else is changing ${subject} (${said})`,
        ...conflictingFields(answer.body),
      };
    case 429:
      return { kind: 'throttled', retryAfterMs, message: `the API server is busy (${said})` };
    default:
      return {
        kind: 'failed',
        retryAfterMs,
        message: `the API server at ${asked.server} failed on ${what} ${subject} (${said})`,
      };
  }
}

/** The text for a name that the API server does not know. */
export function noSuchNode(nodeName: string, said: string): string {
  return `the API server knows no node ${nodeName} (${said}): give the node's name (cluster.nodeName, --node-name, NODE_NAME)`;
}

function noAnswer(thrown: unknown, { server, timeoutMs }: Asked): ApiProblem {
  const late = thrown instanceof Error && thrown.name === 'TimeoutError';
  const why = late ? `no answer within ${timeoutMs / 1000} s` : reasonOf(thrown);
  return {
    kind: 'unreachable',
    retryAfterMs: 0,
    message: `the API server at ${server} cannot be asked: ${why}`,
  };
}

/** Connecting to a name with several addresses fails with one error for each, and no text of its own. */
function reasonOf(thrown: unknown): string {
  const cause: unknown = thrown instanceof Error ? thrown.cause : undefined;
  if (cause instanceof AggregateError) return cause.errors.map(describeError).join(', ');
  return describeError(thrown) || (systemErrorCode(thrown) ?? 'no reason given');
}

/** What a server-side apply says of fields that are somebody else's (`details.causes` with the reason `FieldManagerConflict`). */
function conflictingFields(body: unknown): Pick<ApiProblem, 'fields'> {
  const parsed = (typeof body === 'string' ? parse(body) : body) as ConflictStatus | null;
  const causes = parsed?.details?.causes;
  const fields = Array.isArray(causes)
    ? causes.flatMap((cause) =>
        cause?.reason === 'FieldManagerConflict' && typeof cause.field === 'string' ? [cause.field] : [],
      )
    : [];
  return fields.length === 0 ? {} : { fields };
}

/** As far as it is read; nothing of it is sure to be there. */
interface ConflictStatus {
  readonly details?: {
    readonly causes?: readonly ({ readonly reason?: unknown; readonly field?: unknown } | null)[];
  };
}

function statusMessage(body: unknown): string {
  const parsed = typeof body === 'string' ? parse(body) : body;
  if (typeof parsed !== 'object' || parsed === null || !('message' in parsed)) return '';
  return typeof parsed.message === 'string' ? parsed.message : '';
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function quote(text: string): string {
  return text === '' ? '' : `: ${text.slice(0, 300)}`;
}

/** Seconds are what the API server sends; a date is for proxies, and then our own pause is enough. */
function readRetryAfter(header: string | undefined): number {
  return /^\d{1,4}$/.test(header ?? '') ? Number(header) * 1000 : 0;
}
