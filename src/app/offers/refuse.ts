import { Refusal } from '../../kubelet/handlers.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../metrics/collect.ts';
import type { ResourceName } from '../../resources/resource-name.ts';

/** Why a request is turned down: a reason that labels a metric, and words for the pod's author. */
interface RefusalCause {
  readonly reason: Parameters<Metrics['refusal']>[1];
  readonly message: string;
}

/**
 * Counts, logs and throws a refusal.
 * @param asked how many devices were asked for
 * @throws Refusal
 */
export function refuse(
  { resource, asked, kind }: { resource: ResourceName; asked: number; kind: Refusal['kind'] },
  { reason, message }: RefusalCause,
  { log, metrics }: { readonly log: Log; readonly metrics: Pick<Metrics, 'refusal'> },
): never {
  metrics.refusal(resource, reason);
  log.warn({ resource, reason, asked }, `refused: ${message}`);
  throw new Refusal(kind, message);
}
