import { firstUsableList, openStage, type Subject } from './agent-under-test.ts';
import { inTimeSlices, type Measurement } from './measurements.ts';
import { openScenarioFile } from './scenario-file.ts';

const slices = 20_000;
const slicesPerGpu = slices / 8;

/**
 * From the moment at which the simulated driver can know that one of eight GPUs is lost to the list that says so of all its time slices,
 * and the same for its return.
 */
async function* gpuLost(subject: Subject, runs: number): AsyncGenerator<number> {
  const nodeWith = (state: 'present' | 'lost'): object => ({
    preset: 'a100x8',
    overrides: [{ gpu: 3, state }],
  });
  await using scenario = await openScenarioFile(nodeWith('present'));
  await using stage = await openStage({ ...inTimeSlices(subject), driverArgs: scenario.driverArgs });
  stage.startAgent();
  await firstUsableList(stage);
  for (let run = 0; run < runs; run += 1) {
    const state = run % 2 === 0 ? 'lost' : 'present';
    const from = stage.kubelet.events.length;
    await scenario.replace(nodeWith(state));
    const knownMs = performance.now();
    const expected = state === 'lost' ? slices - slicesPerGpu : slices;
    const list = await stage.kubelet.waitForEvent('list', {
      from,
      where: ({ healthy }) => healthy === expected,
    });
    yield list.at - knownMs;
  }
}

/** Figures of GPUs that fail. */
export const faults: readonly Measurement[] = [
  { name: 'GPU lost → list of 20,000 time slices', unit: 'ms', runs: 50, measure: gpuLost },
];
