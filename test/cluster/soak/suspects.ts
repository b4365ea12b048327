import type { LogLine } from '../../../src/simulator/agent-process.ts';

/** Longer than the agent takes to learn that a pod has ended. */
const recentMs = 15_000;

/**
 * GPUs that an agent may withhold after a restart of the kubelet, until it has seen for a while that nobody uses their memory: those of pods
 * that ended right before. It cannot tell them from pods that run on and that the new kubelet does not know.
 */
export class Suspects {
  #seen: { readonly atMs: number; readonly gpus: readonly string[] }[] = [];
  #suspects = new Set<string>();

  get gpus(): ReadonlySet<string> {
    return this.#suspects;
  }

  /** Notes which GPUs containers had at a moment, by any witness. */
  note(gpus: readonly string[], nowMs: number): void {
    this.#seen = [...this.#seen.filter(({ atMs }) => nowMs - atMs < recentMs), { atMs: nowMs, gpus }];
  }

  /** @param log of the agent that serves: what it gave may have been seen by nobody else */
  kubeletEnds(log: readonly LogLine[], nowMs: number): void {
    this.note(log.filter(isRecent).flatMap(givenBy), nowMs);
    this.#suspects = this.#suspects.union(new Set(this.#seen.flatMap(({ gpus }) => gpus)));
  }

  /** The node gives them out again. */
  areUsable(gpus: readonly string[]): void {
    this.#suspects = this.#suspects.difference(new Set(gpus));
  }
}

function isRecent({ time }: LogLine): boolean {
  return Date.now() - Date.parse(String(time)) < recentMs;
}

function givenBy({ msg, gpu, devices }: LogLine): readonly string[] {
  if (msg !== 'allocated') return [];
  return typeof gpu === 'string' ? [gpu] : (devices as readonly string[]);
}
