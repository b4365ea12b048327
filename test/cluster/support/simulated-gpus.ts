import { rename, writeFile } from 'node:fs/promises';
import { parseScenario } from '../../../src/inventory/simulated/scenario.ts';

/** The GPUs of a simulated node: a scenario file that the agent reads and reads again when it changes. */
export interface SimulatedGpus {
  readonly file: string;
  /** The scenario's name, of which the UUIDs are made. */
  readonly name: string;
  /** UUIDs by index, from the scenario itself: what the agent should find. */
  readonly ids: readonly string[];
  /** Makes a GPU fall off the bus (`lost`), vanish (`absent`), or be well again. */
  set(gpu: number, state: 'present' | 'lost' | 'absent'): Promise<void>;
  /** Puts others in their place, as the `gpus` of a scenario file; `ids` stays as it was. */
  replace(gpus: readonly object[]): Promise<void>;
}

/**
 * Writes a scenario with some T4s.
 * @param name the scenario's: the UUIDs are made from it
 * @param also further keys of every GPU, as in a scenario file
 */
export async function simulateGpus(
  file: string,
  name: string,
  count: number,
  also: object = {},
): Promise<SimulatedGpus> {
  const states = new Map<number, string>();
  let gpus: readonly object[] = [{ model: 't4', count, ...also }];
  const write = async (): Promise<string> => {
    const overrides = [...states].map(([gpu, state]) => ({ gpu, state }));
    const content = JSON.stringify({ name, gpus, overrides });
    await writeFile(`${file}.new`, content);
    await rename(`${file}.new`, file);
    return content;
  };
  const ids = parseScenario(await write(), file, name).gpus.map(({ uuid }) => uuid);
  return {
    file,
    name,
    ids,
    async set(gpu, state) {
      states.set(gpu, state);
      await write();
    },
    async replace(others) {
      gpus = others;
      await write();
    },
  };
}
