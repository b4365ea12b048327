import { untilAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { toError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../metrics/collect.ts';
import { type HttpAddress, serveHttp } from '../metrics/http.ts';
import type { NodeProbe } from './node-probe.ts';

const retryMs = 5000;

/**
 * Serves the probes and metrics until the signal aborts. A port that is taken is waited for: GPUs are served to the kubelet
 * whether or not anybody can look at the figures.
 */
export async function serveProbes(
  address: HttpAddress | null,
  deps: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics; readonly probe: NodeProbe },
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, metrics, probe } = deps;
  const handlers = {
    ready: () => probe.readiness(),
    live: () => ({ ok: true, reasons: [] }),
    metrics: () => metrics.text(),
    metricsContentType: metrics.contentType,
  };
  let said = '';
  if (address === null) return untilAborted(signal);
  while (!signal.aborted) {
    try {
      await using server = await serveHttp({ address }, handlers, { log }, signal);
      log.info({ host: address.host, port: server.port }, 'serving /livez, /readyz and /metrics');
      await untilAborted(signal);
    } catch (thrown) {
      if (signal.aborted) return;
      // It says what to do; the system's error behind it would only repeat the address.
      const reason = toError(thrown).message;
      if (reason !== said) log.warn({ reason }, 'probes and metrics are not served, trying on');
      said = reason;
      await clock.sleep(retryMs, signal).catch(() => undefined);
    }
  }
}
