import { existsSync } from 'node:fs';
import type { Clock } from '../../lib/clock.ts';

/** A kubelet that starts makes this socket some time after the other. */
const patienceMs = 10_000;

/**
 * Says, each time it is asked, why the kubelet cannot be asked what containers hold: its pod resources socket has been missing for a while.
 * The rest of the kubelet's books is enough to book by, but not to see that memory has become free.
 * @returns a function that returns `null` while nothing is wrong
 */
export function watchForPodResources(socket: string, clock: Clock): () => string | null {
  let missingSinceMs: number | null = null;
  return () => {
    if (existsSync(socket)) missingSinceMs = null;
    else missingSinceMs ??= clock.now();
    if (missingSinceMs === null || clock.now() - missingSinceMs < patienceMs) return null;
    return (
      `there is no pod resources socket of the kubelet at ${socket}: mount its folder from the node. Until then a GPU ` +
      'whose containers have ended stays booked, by memory or whole, until the kubelet admits another pod with devices'
    );
  };
}
