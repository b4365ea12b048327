import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstUsableList, openStage, type Subject } from './agent-under-test.ts';
import { inTimeSlices, type Measurement } from './measurements.ts';

const slices = 20_000;
const slicesPerGpu = slices / 8;

/**
 * From the moment at which the simulated driver can know that one of eight GPUs is lost to the list that says so of all its time slices,
 * and the same for its return.
 */
async function* gpuLost(subject: Subject, runs: number): AsyncGenerator<number> {
  const folder = await mkdtemp(join(tmpdir(), 'slicewise-bench-'));
  const scenario = join(folder, 'node.yaml');
  const write = async (state: 'present' | 'lost'): Promise<void> => {
    const content = { name: 'node', preset: 'a100x8', overrides: [{ gpu: 3, state }] };
    await writeFile(`${scenario}.new`, JSON.stringify(content));
    await rename(`${scenario}.new`, scenario);
  };
  try {
    await write('present');
    const driverArgs = ['--device-discovery-strategy', 'simulated', '--scenario', scenario];
    await using stage = await openStage({ ...inTimeSlices(subject), driverArgs });
    stage.startAgent();
    await firstUsableList(stage);
    for (let run = 0; run < runs; run += 1) {
      const state = run % 2 === 0 ? 'lost' : 'present';
      const from = stage.kubelet.events.length;
      await write(state);
      const knownMs = performance.now();
      const expected = state === 'lost' ? slices - slicesPerGpu : slices;
      const list = await stage.kubelet.waitForEvent('list', {
        from,
        where: ({ healthy }) => healthy === expected,
      });
      yield list.at - knownMs;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Figures of GPUs that fail. */
export const faults: readonly Measurement[] = [
  { name: 'GPU lost → list of 20,000 time slices', unit: 'ms', runs: 50, measure: gpuLost },
];
