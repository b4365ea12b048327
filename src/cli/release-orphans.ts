import { askRelease } from '../state/releases.ts';
import { readState, type KeptState } from '../state/state-file.ts';
import { findGpu } from './print-orphans.ts';
import { count } from './status-words.ts';
import type { ExitCode, Terminal } from './terminal.ts';
import { waitUntilHeard } from './wait-until-heard.ts';

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
  if (!(await waitUntilHeard(isWaiting, folder, { stderr, signal }))) return 1;
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
