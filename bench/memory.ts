import { setTimeout as sleep } from 'node:timers/promises';
import { guaranteedFit } from '../src/allocation/memory/guaranteed-fit.ts';
import { devicePluginService } from '../src/kubelet/wire.ts';
import { memoryId, memoryResource } from '../src/resources/memory-units.ts';
import { openStage, type Subject } from './agent-under-test.ts';
import { askPlugin, connectTo, type Measurement } from './measurements.ts';
import { openScenarioFile } from './scenario-file.ts';

const gpus = 16;
const unitsPerGpu = 288;

/** Calls until the code is compiled. */
const warmUp = 100;

/** Containers of 1 to 7 units, one after the other, on a node of the largest GPUs: each is placed beside all those before it. */
async function* allocateMemory(subject: Subject, runs: number): AsyncGenerator<number> {
  const model = {
    model: 'a100-sxm4-80gb',
    count: gpus,
    memoryTotalMiB: unitsPerGpu * 1024,
    memoryReservedMiB: 0,
  };
  await using scenario = await openScenarioFile({ gpus: [model] });
  await using stage = await openStage({ ...subject, driverArgs: scenario.driverArgs });
  const agent = stage.startAgent();
  await agent.waitForLog(({ msg }) => msg === 'what containers hold on this node is known');
  using client = connectTo(stage, memoryResource);
  for (let run = 0, next = 0; run < warmUp + runs; run += 1) {
    const ids = Array.from({ length: 1 + (run % 7) }, (_, place) => memoryId(next + place));
    next += ids.length;
    const startedMs = performance.now();
    await askPlugin(client, devicePluginService.Allocate, [ids], (answer) => answer.length === 1);
    if (run >= warmUp) yield performance.now() - startedMs;
    // The stand-in kubelet reads the new list of 4,608 units in this very process.
    await sleep(50);
  }
}

/** How much can be promised, with holes of every size. */
async function* promise(_subject: Subject, runs: number): AsyncGenerator<number> {
  for (let run = 0; run < runs; run += 1) {
    const holes = Array.from({ length: gpus }, (_, gpu) => (run * 31 + gpu * 97) % (unitsPerGpu + 1));
    const startedMs = performance.now();
    const promised = guaranteedFit(holes, 1 + (run % unitsPerGpu));
    yield performance.now() - startedMs;
    if (promised < 0) throw new Error('fewer than none');
  }
}

/** Figures of GPU memory. */
export const memory: readonly Measurement[] = [
  { name: 'Allocate of memory, 16 GPUs × 288 units', unit: 'ms', runs: 500, measure: allocateMemory },
  { name: 'promised units, 16 GPUs × 288 units', unit: 'ms', runs: 2000, measure: promise },
];
