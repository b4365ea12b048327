import { dirname } from 'node:path';
import { acquireServingLock, type LockWait, type ServingLock } from '../../kubelet/lock.ts';
import { rehearse } from '../../kubelet/rehearse.ts';
import type { Standby } from '../../kubelet/standby.ts';
import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Node } from '../node.ts';

export interface StandByDeps {
  readonly kubeletSocket: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Resolves with the serving lock; until then this agent is ready for whatever it could offer, and knows its part. */
export async function standBy(
  node: Pick<Node, 'offers' | 'serving'>,
  standby: Standby,
  deps: StandByDeps,
  signal: AbortSignal,
): Promise<ServingLock> {
  const folder = dirname(deps.kubeletSocket);
  const got = new AbortController();
  const until = AbortSignal.any([signal, got.signal]);
  let waits = false;
  const onWait = (wait: LockWait): void => {
    waits = wait.kind === 'other-agent';
    node.serving.waiting(wait);
  };
  let rehearsing: Promise<void> | null = null;
  const rehearseOnce = (): void => void (rehearsing ??= rehearseQuietly(folder, deps.log, until));
  void node.offers.each((offers) => {
    if (offers.length === 0) return;
    standby.ready(offers.map(({ resource }) => resource));
    if (waits) rehearseOnce();
  }, until);
  try {
    return await acquireServingLock(
      folder,
      { ...deps, onWait, untilFree: (woken) => standby.untilFree(woken) },
      signal,
    );
  } finally {
    got.abort();
    await Promise.resolve(rehearsing);
  }
}

/** An agent that has not rehearsed serves as well, only not as fast in the first moment. */
async function rehearseQuietly(folder: string, log: Log, signal: AbortSignal): Promise<void> {
  try {
    await rehearse(folder, signal);
  } catch (thrown) {
    if (!signal.aborted) log.debug(`the registration could not be rehearsed: ${describeError(thrown)}`);
  }
}
