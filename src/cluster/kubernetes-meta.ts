import {
  type ConfigurationOptions,
  type CoreV1Api,
  type KubeConfig,
  type V1Node,
  Watch,
} from '@kubernetes/client-node';
import { orAborted } from '../lib/abort.ts';
import type { NodeMeta, NodeMetaSeen } from './node-api.ts';

/** How long the API server is asked to keep a watch open. */
const watchSeconds = 120;
/** How long nothing may come on a watch before it is given up: longer than the API server keeps it open. */
const silenceMs = 135_000;

/**
 * The labels and annotations of a node, `null` when there is no such node. Asked by a list of one, because a list's version, unlike a node's, is
 * never too old to watch from.
 * @throws ApiException
 */
export async function listMeta(
  api: CoreV1Api,
  name: string,
  options: ConfigurationOptions,
): Promise<NodeMetaSeen | null> {
  const { items, metadata } = await api.listNode({ fieldSelector: `metadata.name=${name}` }, options);
  const node = items.find((each) => each.metadata?.name === name);
  return node === undefined ? null : { meta: toMeta(node), version: metadata?.resourceVersion ?? '' };
}

/**
 * Hears of changes of a node after a version, until the API server ends that, the connection is lost, or nothing more is to be had from that
 * version. A node that is deleted keeps what it had here.
 * @throws WatchRefused when the API server says no
 */
export async function watchMeta(
  config: KubeConfig,
  name: string,
  version: string,
  see: (meta: NodeMeta) => void,
  signal: AbortSignal,
): Promise<void> {
  const watch = new Watch(config);
  // The client gives a silent watch up after 30 s and has no other way to say how long it may be silent.
  Object.assign(watch, { requestTimeoutMs: silenceMs });
  const ended = Promise.withResolvers<void>();
  const end = (refusal: WatchRefused | null): void => {
    // Too old a version to watch from is no refusal: it is to be begun anew.
    if (refusal === null || refusal.code === 410) ended.resolve();
    else ended.reject(refusal);
  };
  const query = {
    fieldSelector: `metadata.name=${name}`,
    resourceVersion: version,
    timeoutSeconds: watchSeconds,
  };
  const opening = watch.watch(
    '/api/v1/nodes',
    query,
    (kind, object: unknown) => {
      if (kind === 'ADDED' || kind === 'MODIFIED') see(toMeta(object as V1Node));
      else if (kind === 'ERROR') end(toRefusal(object, 'code'));
    },
    // Watches are cut by whatever lies between, above all silent ones: whether the API server is there, the next list tells.
    (thrown: unknown) => end(toRefusal(thrown, 'statusCode')),
  );
  ended.promise.catch(() => undefined);
  try {
    await orAborted(ended.promise, signal);
  } finally {
    void opening.then((open) => open.abort()).catch(() => undefined);
  }
}

function toMeta({ metadata }: V1Node): NodeMeta {
  return { labels: metadata?.labels ?? {}, annotations: metadata?.annotations ?? {} };
}

/** The API server does not let us watch, or cannot. */
export class WatchRefused extends Error {
  override readonly name: string = 'WatchRefused';
  /** As in HTTP. */
  readonly code: number;
  readonly body: unknown;

  constructor(code: number, body: unknown) {
    super(`HTTP ${code}`);
    this.code = code;
    this.body = body;
  }
}

/** What the client says of an answer that is no watch (`statusCode`), and the API server in the course of one (`code` of a Status). */
function toRefusal(said: unknown, key: 'code' | 'statusCode'): WatchRefused | null {
  if (typeof said !== 'object' || said === null || !(key in said)) return null;
  const code = (said as Readonly<Record<string, unknown>>)[key];
  return typeof code === 'number' ? new WatchRefused(code, said) : null;
}
