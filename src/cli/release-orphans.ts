import { setTimeout as delay } from 'node:timers/promises';
import { askRelease } from '../state/releases.ts';
import { readState, type KeptState } from '../state/state-file.ts';
import { findGpu } from './print-orphans.ts';
import { count } from './status-words.ts';
import type { ExitCode, Terminal } from './terminal.ts';

/** The agent looks each second. */
const heardWithinMs = 10_000;
const lookEveryMs = 100;

/** Leaves word for the agent that the orphans of a GPU have ended, and waits until it has been heard. */
export async function releaseOrphans(
  gpu: string,
  state: KeptState | null,
  folder: string,
  { stdout, stderr, signal }: Pick<Terminal, 'stdout' | 'stderr' | 'signal'>,
): Promise<ExitCode> {
  if (state === null || state.holdings.orphans.length === 0) {
    stderr.write(
      `slicewise: there is nothing to release: the agent has written down no orphan in ${folder}\n`,
    );
    return 1;
  }
  const uuid = findGpu(gpu, state);
  if (uuid === null) {
    const known = state.gpus.map(({ index, uuid: each }) => `${index} (${each})`).join(', ');
    stderr.write(`slicewise: there is no GPU ${gpu} on this node; the agent knows ${known}\n`);
    return 2;
  }
  const orphans = state.holdings.orphans.filter(({ gpus }) => gpus.includes(uuid));
  if (orphans.length === 0) {
    stderr.write(`slicewise: there is nothing to release on ${uuid}: see 'slicewise orphans'\n`);
    return 1;
  }
  const isWaiting = await askRelease(folder, uuid, orphans);
  const end = performance.now() + heardWithinMs;
  while (await isWaiting()) {
    if (performance.now() > end || signal.aborted) {
      stderr.write(
        `slicewise: no agent has heard it yet; one that serves this node with the state folder ${folder} will\n`,
      );
      return 1;
    }
    await delay(lookEveryMs);
  }
  const after = await readState(folder);
  const left =
    after.kind === 'state' ? after.state.holdings.orphans.filter(({ gpus }) => gpus.includes(uuid)) : [];
  if (left.length > 0) {
    stderr.write(`slicewise: nothing was released on ${uuid}; the agent's log says why\n`);
    return 1;
  }
  stdout.write(`${uuid}: released (${count(orphans.length, 'orphan')})\n`);
  return 0;
}
