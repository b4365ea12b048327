import type { KeptOrphan } from '../allocation/holdings/kept-holdings.ts';
import type { KeptState } from '../state/state-file.ts';
import type { ExitCode, Terminal } from './terminal.ts';
import { textTable } from './text-table.ts';

/** Prints the orphans that the agent has written down. */
export function printOrphans(
  state: KeptState | null,
  output: 'table' | 'json',
  { stdout }: Pick<Terminal, 'stdout'>,
): ExitCode {
  const orphans = state?.holdings.orphans ?? [];
  if (output === 'json') {
    stdout.write(
      `${JSON.stringify(
        orphans.map((orphan) => describeOrphan(orphan, state)),
        null,
        2,
      )}\n`,
    );
    return 0;
  }
  const rows = orphans.map((orphan) => {
    const { gpus, pod, container, resource, devices } = describeOrphan(orphan, state);
    const where = gpus.map(({ uuid, index }) => `${index ?? '?'} ${uuid}`).join(', ');
    return [where, pod ?? '-', container ?? '-', resource, String(devices)];
  });
  const head = ['GPU', 'POD', 'CONTAINER', 'RESOURCE', 'DEVICES'];
  stdout.write(rows.length === 0 ? 'No orphans.\n' : textTable([head, ...rows]));
  return 0;
}

/** The UUID of a GPU that is given by UUID or index; `null`: the agent knows of no such GPU. */
export function findGpu(text: string, state: KeptState): string | null {
  const known = [
    ...state.gpus,
    ...state.holdings.orphans.flatMap(({ gpus }) => gpus.map((uuid) => ({ uuid }))),
  ];
  return (
    known.find((gpu) => gpu.uuid === text || ('index' in gpu && String(gpu.index) === text))?.uuid ?? null
  );
}

function describeOrphan({ gpus, shown, owner, resource, deviceIds }: KeptOrphan, state: KeptState | null) {
  return {
    gpus: gpus.map((uuid) => ({
      uuid,
      index: state?.gpus.find((gpu) => gpu.uuid === uuid)?.index ?? null,
    })),
    /** The name, or the UID where the name was never seen. */
    pod: shown === null ? (owner?.podUid ?? null) : `${shown.namespace}/${shown.pod}`,
    container: shown?.container ?? owner?.container ?? null,
    resource,
    devices: deviceIds.length,
  };
}
