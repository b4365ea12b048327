import { dirname } from 'node:path';
import { describeError, isAbort, OperatorError } from '../lib/errors.ts';
import type { Latest } from '../lib/latest.ts';
import { backoffMs } from '../lib/retry.ts';
import type { ResourceHandlers } from './handlers.ts';
import { runSession, type SessionDeps } from './session.ts';
import type { SocketIdentity } from './socket-watch.ts';

/** Pauses between tries while the same kubelet refuses or drops the plugin. */
const retryLimits = { firstMs: 100, maxMs: 5000 };
/** A registration that ends sooner counts as one more failure, so that a kubelet that drops every list is asked ever less often. */
const goodSessionMs = 10_000;

/**
 * Keeps one resource registered with whatever kubelet is there, until the signal aborts. A new kubelet.sock is answered at
 * once; a kubelet that refuses, or lets go, is asked again after a growing pause.
 */
export async function keepRegistered(
  handlers: ResourceHandlers,
  kubeletSocket: string,
  kubelet: Latest<SocketIdentity | null>,
  deps: SessionDeps,
  signal: AbortSignal,
): Promise<void> {
  const paths = { folder: dirname(kubeletSocket), socket: kubeletSocket };
  const failures = new FailuresInARow();
  let said = '';
  const sayOnce = (what: string, reason: string): void => {
    const message = `${what}: ${reason}`;
    if (said !== message) deps.log.warn({ resource: handlers.resource }, message);
    said = message;
    deps.observer.unregistered(handlers.resource, reason);
  };

  while (!signal.aborted) {
    if (kubelet.value === null) sayOnce('waiting for a kubelet', `there is no socket at ${kubeletSocket}`);
    const current = await kubelet.until((identity) => identity !== null, signal).catch(() => null);
    if (current === null) return;
    failures.withKubelet(current);
    const scope = new AbortController();
    const sameKubelet = AbortSignal.any([signal, scope.signal]);
    void kubelet
      .until((identity) => identity !== current, sameKubelet)
      .then(() => scope.abort('the kubelet has restarted'))
      .catch(() => undefined);
    const startedMs = deps.clock.now();
    try {
      const { reason } = await runSession(handlers, paths, deps, sameKubelet);
      if (signal.aborted) return;
      const wasGood = deps.clock.now() - startedMs >= goodSessionMs;
      failures.count = wasGood ? 1 : failures.count + 1;
      said = '';
      sayOnce('registration lost', scope.signal.aborted ? String(scope.signal.reason) : reason);
    } catch (thrown) {
      if (signal.aborted) return;
      failures.count += 1;
      if (thrown instanceof OperatorError && thrown.code === 'kubelet-refused') {
        deps.observer.registration(handlers.resource, 'refused');
      }
      if (!isAbort(thrown)) sayOnce('not registered, trying on', describeError(thrown));
    }
    // Aborted at once when another kubelet is there: it is answered without a pause.
    await deps.clock.sleep(backoffMs(retryLimits, failures.count), sameKubelet).catch(() => undefined);
    scope.abort();
  }
}

/** Tries that failed one after the other with the same kubelet. */
class FailuresInARow {
  count = 0;
  #kubelet: SocketIdentity | null = null;

  /** What an old kubelet did is nothing to hold against a new one: it may refuse the first connection while it starts. */
  withKubelet(kubelet: SocketIdentity): void {
    if (kubelet !== this.#kubelet) this.count = 0;
    this.#kubelet = kubelet;
  }
}
