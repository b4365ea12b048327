import { askAcknowledgement } from '../state/acknowledgements.ts';
import type { HealthReport } from './print-health.ts';
import type { ExitCode, Terminal } from './terminal.ts';
import { waitUntilHeard } from './wait-until-heard.ts';

/** Leaves word for the agent that a GPU is to be used in spite of what is held against it, and waits until it has been heard. */
export async function acknowledgeHealth(
  gpu: string,
  read: () => Promise<HealthReport>,
  folder: string,
  { stdout, stderr, signal }: Pick<Terminal, 'stdout' | 'stderr' | 'signal'>,
): Promise<ExitCode> {
  const before = await read();
  const found = before.gpus.find(({ uuid, index }) => uuid === gpu || String(index) === gpu);
  if (found === undefined) {
    const known = before.gpus.map(({ index, uuid }) => (index === null ? uuid : `${index} (${uuid})`));
    const what = before.isLive ? 'this node has' : 'something was held against';
    stderr.write(`slicewise: there is no GPU ${gpu}; ${what} ${known.join(', ') || 'none'}\n`);
    return 2;
  }
  const { uuid } = found;
  const keys = found.findings.filter((each) => each.canBeAcknowledged).map(({ key }) => key);
  if (keys.length === 0) {
    const why =
      found.state === 'unhealthy' ? 'it does not answer, which no word can mend' : `it is ${found.state}`;
    stderr.write(`slicewise: there is nothing to acknowledge on ${uuid}: ${why}\n`);
    return 1;
  }
  const isWaiting = await askAcknowledgement(folder, uuid, keys);
  if (!(await waitUntilHeard(isWaiting, folder, { stderr, signal }))) return 1;
  const after = (await read()).gpus.find((each) => each.uuid === uuid);
  const left = after?.findings.filter(
    ({ key, canBeAcknowledged }) => canBeAcknowledged && keys.includes(key),
  );
  if (left !== undefined && left.length > 0) {
    stderr.write(`slicewise: ${uuid} is still out; the agent's log says why\n`);
    return 1;
  }
  // Of a GPU that the driver does not name nobody can say that it is well.
  const unnamed = found.index === null ? 'nothing is held against it any more' : null;
  stdout.write(`${uuid}: ${unnamed ?? after?.state ?? 'healthy'}\n`);
  return 0;
}
