import { dirname } from 'node:path';
import { type CheckpointEntry, readCheckpoint } from '../../kubelet/checkpoint.ts';
import { keepRegistered } from '../../kubelet/keep-registered.ts';
import type { KubeletObserver } from '../../kubelet/handlers.ts';
import type { ServingLock } from '../../kubelet/lock.ts';
import { removeDeadSockets } from '../../kubelet/own-sockets.ts';
import type { SessionDeps } from '../../kubelet/session.ts';
import { watchSocket } from '../../kubelet/socket-watch.ts';
import { Standby } from '../../kubelet/standby.ts';
import { Successors } from '../../kubelet/successors.ts';
import type { Metrics } from '../../metrics/collect.ts';
import { describeError } from '../../lib/errors.ts';
import { msToStep } from '../../lib/in-step.ts';
import type { Log } from '../../lib/log.ts';
import { HandOver } from './hand-over.ts';
import { keepBooks, openBooks } from '../books/keep-books.ts';
import { keepVerdicts, recallVerdicts } from '../health/keep-verdicts.ts';
import { letLeaversGo } from '../books/let-go.ts';
import type { Node } from '../node.ts';
import type { Calls } from '../offers/calls.ts';
import { standBy } from './stand-by.ts';
import { runTogether } from '../supervise.ts';

export interface ServeNodeDeps extends Omit<SessionDeps, 'passOn'> {
  readonly kubeletSocket: string;
  readonly podResourcesSocket: string;
  readonly stateDir: string;
  readonly procfsRoot: string;
  readonly metrics: Pick<Metrics, 'serving'>;
}

/**
 * After a crash the kubelet needs a moment to see that the old connections are gone; registering into that moment would let
 * it cut off the new one (kubelets up to 1.36 find the client to disconnect by resource name).
 */
const afterCrashMs = 50;
const lockCheckMs = 1000;

/** Serves the node whenever this agent holds the serving lock, and stands by while another one does. */
export async function serveNode(node: Node, deps: ServeNodeDeps, signal: AbortSignal): Promise<void> {
  const folder = dirname(deps.kubeletSocket);
  while (!signal.aborted) {
    using standby = new Standby(folder, deps.clock);
    using successors = new Successors(folder, deps.log);
    const handOver = new HandOver(successors, deps, signal);
    {
      using lock = await standBy(node, standby, deps, signal);
      using _ = { [Symbol.dispose]: () => successors.stopListening() };
      await serveWithLock(
        node,
        lock,
        successors,
        {
          ...deps,
          observer: alsoTelling(standby, node.books.calls, deps.observer),
          passOn: (server, handlers) => handOver.take(server, handlers),
        },
        signal,
      );
    }
    await handOver.complete();
  }
}

async function serveWithLock(
  node: Node,
  lock: ServingLock,
  successors: Successors,
  deps: ServeNodeDeps & SessionDeps,
  signal: AbortSignal,
): Promise<void> {
  const folder = dirname(deps.kubeletSocket);
  node.serving.serving();
  deps.metrics.serving(true);
  node.holdsLock.set(true);
  const calm = deps.clock.sleep(lock.predecessorCrashed ? afterCrashMs : 0, signal);
  tidyUp(folder, deps.log);
  const [booked] = await Promise.all([readBooked(folder, deps.log), calm, recallVerdicts(node, deps)]);
  node.booked.set(booked);
  node.knowsHealth.set(true);
  const keeping = { ...deps, holdsLock: () => lock.stillValid() };
  await openBooks(node, keeping);
  await runTogether(
    [
      async (until) => {
        // No pod may be given a name that no runtime knows yet.
        await node.described.until((value) => value !== null && (value.cdi?.inForce ?? true), until);
        await serveOffers(node, deps, until);
      },
      (until) =>
        letLeaversGo(
          () => node.offers.value,
          {
            ...deps,
            kubeletFolder: folder,
            calls: node.books.calls,
            onLeft: () => node.departures.set(node.departures.value + 1),
          },
          until,
        ),
      (until) => keepBooks(node, keeping, until),
      (until) => keepVerdicts(node, keeping, until),
      (until) => untilLockLost(lock, successors, deps, until),
    ],
    signal,
  ).finally(() => {
    node.hasSuccessor.set(successors.ready !== null);
    node.knowsHealth.set(false);
    node.holdsLock.set(false);
    deps.metrics.serving(false);
  });
}

/** Lets the agent that served before know what is registered now, besides whoever else hears of it. */
function alsoTelling(standby: Standby, calls: Calls, observer: KubeletObserver): KubeletObserver {
  const registered = new Map<string, string>();
  return {
    ...observer,
    connected(resource, endpoint) {
      observer.connected(resource, endpoint);
      if (endpoint === null) registered.delete(resource);
      else {
        // Until this moment the agent that served before may have answered.
        calls.answered();
        registered.set(resource, endpoint);
      }
      standby.serving(registered);
    },
  };
}

/** What earlier runs left behind is in nobody's way, so that it stays is no reason to fail. */
function tidyUp(folder: string, log: Log): void {
  try {
    const dead = removeDeadSockets(folder);
    if (dead.length > 0) log.info({ sockets: dead }, 'removed the sockets of an earlier run');
  } catch (thrown) {
    log.warn({ folder }, `the sockets of earlier runs stay: ${describeError(thrown)}`);
  }
}

/** What the kubelet has booked, read before the first list: ids that a pod holds must be on it. */
async function readBooked(folder: string, log: Log): Promise<readonly CheckpointEntry[]> {
  try {
    return await readCheckpoint(folder);
  } catch (thrown) {
    log.warn(`GPUs that pods hold and that are gone cannot be listed: ${describeError(thrown)}`);
    return [];
  }
}

/** One loop for each resource, started when it is first offered. */
async function serveOffers(
  node: Node,
  deps: ServeNodeDeps & SessionDeps,
  signal: AbortSignal,
): Promise<void> {
  const scope = new AbortController();
  const until = AbortSignal.any([signal, scope.signal]);
  const kubelet = await watchSocket(deps.kubeletSocket, deps.clock, until);
  const running = new Map<string, Promise<void>>();
  for await (const offers of node.offers.values(until)) {
    for (const offer of offers) {
      if (running.has(offer.resource)) continue;
      const serving = keepRegistered(offer, deps.kubeletSocket, kubelet, deps, until).finally(() =>
        scope.abort(),
      );
      serving.catch(() => undefined);
      running.set(offer.resource, serving);
    }
  }
  await Promise.all(running.values());
}

/** Returns when the lock's file is another one, as when the kubelet's folder was deleted and made anew. */
async function untilLockLost(
  lock: ServingLock,
  successors: Successors,
  deps: ServeNodeDeps,
  signal: AbortSignal,
): Promise<void> {
  while (lock.stillValid()) {
    await successors.keepListening();
    await deps.clock.sleep(msToStep(deps.clock, lockCheckMs), signal);
  }
  deps.log.warn('the lock file was removed or replaced: taking the lock anew');
}
