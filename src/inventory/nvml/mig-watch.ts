import type { Snapshot } from '../gpu.ts';
import type { NvmlLibrary } from './library.ts';
import type { HostStep } from './protocol.ts';
import { readHandle } from './read-gpu.ts';
import { readMigMode, readMigUuids } from './read-mig.ts';

/**
 * Tells between two snapshots whether MIG has changed: a few questions to each GPU that can do MIG, a fraction of a
 * snapshot. A GPU in error is left to the snapshots.
 */
export class MigWatch {
  /** MIG mode and UUIDs of the MIG devices as one text, by the GPU's index. */
  #known = new Map<number, string>();

  /** Changes are told against this snapshot from now on. */
  seen({ gpus }: Snapshot): void {
    const watched = gpus.filter(({ mig, error }) => mig !== null && error === null);
    this.#known = new Map(
      watched.map(({ index, mig, migInstances }) => [
        index,
        describe(
          mig,
          migInstances.map(({ uuid }) => uuid),
        ),
      ]),
    );
  }

  /** The GPUs with a change, in words; each is told once until the next snapshot. Empty for none. */
  change(
    nvml: NvmlLibrary,
    leaveOut: Readonly<Record<number, string>>,
    onStep: (step: HostStep) => void,
  ): string {
    const changed: number[] = [];
    for (const [index, known] of this.#known) {
      if (leaveOut[index] !== undefined) continue;
      onStep({ at: 'gpu', gpu: index, first: false });
      if (readState(nvml, index) === known) continue;
      changed.push(index);
      this.#known.delete(index);
    }
    return changed.length === 0 ? '' : `the MIG mode or the MIG devices of GPU ${changed.join(', ')} changed`;
  }
}

/** Null where the GPU does not tell: the next snapshot finds out why. */
function readState(nvml: NvmlLibrary, index: number): string | null {
  try {
    const gpu = readHandle(nvml, index);
    const mode = readMigMode(nvml, gpu);
    return describe(mode, mode?.current === true ? readMigUuids(nvml, gpu) : []);
  } catch {
    return null;
  }
}

function describe(mode: Snapshot['gpus'][number]['mig'], uuids: readonly string[]): string {
  return [mode?.current, mode?.pending, ...uuids.toSorted()].join(' ');
}
