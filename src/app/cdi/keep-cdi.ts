import { FolderWatch } from '../../lib/folder-watch.ts';
import type { Clock } from '../../lib/clock.ts';
import { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import { backoffMs } from '../../lib/retry.ts';
import { describeAndSync, type DescribeDeps, type DescribeTurn } from './describe-and-sync.ts';
import type { Node } from '../node.ts';
import { runTogether } from '../supervise.ts';

export interface KeepCdiDeps extends DescribeDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/** How often the folder is looked at although nothing stirs in it. */
const lookMs = 30_000;
const retryLimits = { firstMs: 200, maxMs: 5000 };
/** Against a program that writes our files as fast as we do. */
const afterSpoiledMs = 500;

/**
 * Describes each reading of the GPUs in CDI specs and, while this agent serves the node, keeps the specs in their folder: after
 * every change of the GPUs, of the driver's files and of the specs themselves. Ends when the signal aborts.
 */
export async function keepCdi(
  { inventory, described, holdsLock }: Pick<Node, 'inventory' | 'described' | 'holdsLock'>,
  deps: KeepCdiDeps,
  signal: AbortSignal,
): Promise<void> {
  const wake = new Latest(0);
  const tell = (): void => wake.set(wake.value + 1);
  using watch = new FolderWatch(deps.folder.path);
  await runTogether(
    [
      (until) => inventory.each(tell, until),
      (until) => holdsLock.each(tell, until),
      (until) => tellOfFolder(watch, tell, deps.clock, until),
      async (until) => {
        const said = new Said(deps.log);
        let failures = 0;
        for await (const _ of wake.values(until)) {
          const { reading } = inventory.value;
          if (reading === null) continue;
          const before = described.value;
          const { state, settings, spoiled } = await describeAndSync(reading, holdsLock.value, before, deps);
          if (until.aborted) return;
          said.say(state);
          described.set({ reading, settings, cdi: state });
          // The folder may be another one by now.
          await watch.renew();
          failures = state.problem === null && !state.stale ? 0 : failures + 1;
          const pauseMs = failures > 0 ? backoffMs(retryLimits, failures) : spoiled ? afterSpoiledMs : 0;
          if (pauseMs === 0) continue;
          await deps.clock.sleep(pauseMs, until);
          tell();
        }
      },
    ],
    signal,
  );
}

async function tellOfFolder(
  watch: FolderWatch,
  tell: () => void,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await watch.change(clock, lookMs, signal).catch(() => undefined);
    if (!signal.aborted) tell();
  }
}

/** Says each thing once, and again only after it has been otherwise. */
class Said {
  readonly #log: Log;
  #problem: string | null = null;
  #trouble = '';
  #missing = '';

  constructor(log: Log) {
    this.#log = log;
  }

  say({ problem, trouble, missing, stale }: DescribeTurn['state']): void {
    if (problem !== this.#problem) {
      if (problem === null) this.#log.info('the CDI specs can be written again');
      else this.#log.error({ reason: problem }, 'the CDI specs are not as they should be, trying on');
    }
    this.#problem = problem;
    if (problem !== null) return;
    if (trouble.join('\n') !== this.#trouble) for (const each of trouble) this.#log.warn(`CDI: ${each}`);
    this.#trouble = trouble.join('\n');
    if (stale) return;
    if (missing.join() !== this.#missing && missing.length > 0)
      this.#log.info({ missing }, 'files of the driver that were not found are left out of the CDI specs');
    this.#missing = missing.join();
  }
}
