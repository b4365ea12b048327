import { dirname } from 'node:path';
import { keepRegistered } from '../kubelet/keep-registered.ts';
import { acquireServingLock, type ServingLock } from '../kubelet/lock.ts';
import { removeDeadSockets } from '../kubelet/own-sockets.ts';
import type { SessionDeps } from '../kubelet/session.ts';
import { type SocketIdentity, watchSocket } from '../kubelet/socket-watch.ts';
import type { Metrics } from '../metrics/collect.ts';
import type { Latest } from '../lib/latest.ts';
import { letLeaversGo } from './let-go.ts';
import type { Offer } from './offer.ts';
import type { ServingState } from './serving-state.ts';
import { runTogether } from './supervise.ts';

export interface ServeNodeDeps extends SessionDeps {
  readonly kubeletSocket: string;
  readonly podResourcesSocket: string;
  /** The resources to offer; it only ever grows. */
  readonly offers: Latest<readonly Offer[]>;
  readonly state: ServingState;
  readonly metrics: Pick<Metrics, 'serving'>;
  /** True while this agent is the one that serves the node. */
  readonly serving: Latest<boolean>;
  /** Resolves when the node is ready for pods; nothing is registered before. */
  readonly prepare: (signal: AbortSignal) => Promise<void>;
}

/**
 * After a crash the kubelet needs a moment to see that the old connections are gone; registering into that moment would let
 * it cut off the new one (kubelets up to 1.36 find the client to disconnect by resource name).
 */
const afterCrashMs = 50;
const lockCheckMs = 1000;

/** Serves the node whenever this agent holds the serving lock, and stands by while another one does. */
export async function serveNode(deps: ServeNodeDeps, signal: AbortSignal): Promise<void> {
  const folder = dirname(deps.kubeletSocket);
  while (!signal.aborted) {
    using lock = await acquireServingLock(
      folder,
      { ...deps, onWait: (wait) => deps.state.waiting(wait) },
      signal,
    );
    deps.state.serving();
    deps.metrics.serving(true);
    deps.serving.set(true);
    if (lock.predecessorCrashed) await deps.clock.sleep(afterCrashMs, signal);
    const dead = removeDeadSockets(folder);
    if (dead.length > 0) deps.log.info({ sockets: dead }, 'removed the sockets of an earlier run');
    await runTogether(
      [
        async (until) => {
          await deps.prepare(until);
          await serveOffers(deps, until);
        },
        (until) => untilLockLost(lock, deps, until),
      ],
      signal,
    ).finally(() => {
      deps.serving.set(false);
      deps.metrics.serving(false);
    });
  }
}

/** One loop for each resource, started when it is first offered. */
async function serveOffers(deps: ServeNodeDeps, signal: AbortSignal): Promise<void> {
  const scope = new AbortController();
  const until = AbortSignal.any([signal, scope.signal]);
  const kubelet = await watchSocket(deps.kubeletSocket, deps.clock, until);
  const running = new Map<string, Promise<void>>();
  for await (const offers of deps.offers.values(until)) {
    for (const offer of offers) {
      if (running.has(offer.resource)) continue;
      const serving = serveOffer(offer, kubelet, deps, until).finally(() => scope.abort());
      serving.catch(() => undefined);
      running.set(offer.resource, serving);
    }
  }
  await Promise.all(running.values());
}

function serveOffer(
  offer: Offer,
  kubelet: Latest<SocketIdentity | null>,
  deps: ServeNodeDeps,
  signal: AbortSignal,
): Promise<void> {
  const kubeletFolder = dirname(deps.kubeletSocket);
  return runTogether(
    [
      (until) => keepRegistered(offer, deps.kubeletSocket, kubelet, deps, until),
      (until) => letLeaversGo(offer, { ...deps, kubeletFolder }, until),
    ],
    signal,
  );
}

/** Returns when the lock's file is another one, as when the kubelet's folder was deleted and made anew. */
async function untilLockLost(lock: ServingLock, deps: ServeNodeDeps, signal: AbortSignal): Promise<void> {
  while (lock.stillValid()) await deps.clock.sleep(lockCheckMs, signal);
  deps.log.warn('the lock file was removed or replaced: taking the lock anew');
}
