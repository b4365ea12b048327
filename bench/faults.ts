import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from '../src/simulator/agent-process.ts';
import type { EventOf } from '../src/simulator/kubelet/kubelet-events.ts';
import { memoryResource } from '../src/resources/memory-units.ts';
import {
  firstUsableList,
  gpuResource,
  openStage,
  patientMs,
  stopAgent,
  type Stage,
  type Subject,
} from './agent-under-test.ts';
import { openFaultyNode, type Fault } from './faulty-node.ts';
import { inTimeSlices, type Measurement, type Values } from './measurements.ts';
import { cpuClock } from './process-use.ts';
import { openScenarioFile } from './scenario-file.ts';

const slices = 20_000;
const slicesPerGpu = slices / 8;

/**
 * Of each list: its last byte is at the kubelet; it is decoded and in the books of the stand-in, which is not the agent's doing; and what
 * the agent's processes have worked until then, which says most on a machine that has much else to do.
 */
const parts = ['bytes at the kubelet', 'decoded', 'CPU of the agent'];

/** Brings about a change, waits for the list that tells of it, and gives `parts`. */
async function timeChange(
  agent: AgentProcess,
  change: () => Promise<void>,
  list: () => Promise<EventOf<'list'>>,
): Promise<Values> {
  const cpu = cpuClock(agent.pid);
  const cpuBefore = cpu();
  await change();
  const knownMs = performance.now();
  const { receivedAt, at } = await list();
  return [receivedAt - knownMs, at - knownMs, cpu() - cpuBefore];
}

/**
 * From the moment at which the simulated driver can know that one of eight GPUs is lost to the list that says so of all its time slices,
 * and the same for its return.
 */
async function* gpuLost(subject: Subject, runs: number): AsyncGenerator<Values> {
  const nodeWith = (state: 'present' | 'lost'): object => ({
    preset: 'a100x8',
    overrides: [{ gpu: 3, state }],
  });
  await using scenario = await openScenarioFile(nodeWith('present'));
  await using stage = await openStage({ ...inTimeSlices(subject), driverArgs: scenario.driverArgs });
  const agent = stage.startAgent();
  await firstUsableList(stage);
  for (let run = 0; run < runs; run += 1) {
    const state = run % 2 === 0 ? 'lost' : 'present';
    const from = stage.kubelet.events.length;
    const expected = state === 'lost' ? slices - slicesPerGpu : slices;
    yield await timeChange(
      agent,
      () => scenario.replace(nodeWith(state)),
      () =>
        stage.kubelet.waitForEvent('list', {
          from,
          deadlineMs: patientMs,
          where: ({ healthy }) => healthy === expected,
        }),
    );
    await sleep(betweenTold.leastMs);
  }
}

/** What fails: so many GPUs, offered as a resource, and how the driver makes it known. */
interface Failing {
  readonly fault: Fault;
  readonly gpus: number;
  readonly resource: string;
}

/**
 * From the moment at which the driver can know of a fault to the list that says so of all devices of the GPU. A GPU that was condemned stays
 * out, so each stage gives as many values as it has GPUs.
 */
async function* condemned(
  subject: Subject,
  runs: number,
  { fault, gpus, resource }: Failing,
): AsyncGenerator<Values> {
  const { leastMs, mostMs } = fault === 'told' ? betweenTold : betweenShown;
  for (let run = 0; run < runs;) {
    await using node = await openFaultyNode(subject, gpus);
    await using stage = await openStage(node.subject);
    const agent = stage.startAgent();
    await firstUsableList(stage);
    if (resource === memoryResource)
      await agent.waitForLog(({ msg }) => msg === 'what containers hold on this node is known', patientMs);
    await sleep(settleMs);
    const devices = stage.kubelet.devices(resource).length;
    for (let gpu = 0; gpu < gpus && run < runs; gpu += 1, run += 1) {
      const from = stage.kubelet.events.length;
      const left = (devices / gpus) * (gpus - gpu - 1);
      yield await timeChange(
        agent,
        () => node.befall(gpu, fault),
        () =>
          stage.kubelet.waitForEvent('list', {
            from,
            deadlineMs: patientMs,
            where: (list) => list.resource === resource && list.healthy === left,
          }),
      );
      await sleep(leastMs + Math.random() * (mostMs - leastMs));
    }
  }
}

/** Until the driver tells of what happens: events count from the moment at which they are asked for. */
const settleMs = 3_000;
/** The stand-in kubelet, in this very process, is done with the list before. */
const betweenTold = { leastMs: 150, mostMs: 400 };
/** Longer than the pause between two questions, so that a fault may come at any moment of it. */
const betweenShown = { leastMs: 150, mostMs: 5_000 };

/** Of eight GPUs all are well, or one has fallen off the bus before the agent starts: in turns, so that both have the same machine. */
async function* startWithLost(subject: Subject, runs: number): AsyncGenerator<Values> {
  await using well = await openFaultyNode(subject, 8);
  await using lame = await openFaultyNode(subject, 8);
  await lame.lose(3);
  await using wellStage = await openStage(well.subject);
  await using lameStage = await openStage(lame.subject);
  for (let run = 0; run < runs; run += 1)
    yield [await startToAdvertised(wellStage, 8), await startToAdvertised(lameStage, 7)];
}

/** Throws when the first list has another number of GPUs to be had. */
async function startToAdvertised(stage: Stage, gpus: number): Promise<number> {
  const from = stage.kubelet.events.length;
  const startedMs = performance.now();
  await using agent = stage.startAgent();
  const { receivedAt, healthy } = await firstUsableList(stage, from);
  if (healthy !== gpus) throw new Error(`${healthy} GPUs are advertised in place of ${gpus}`);
  await stopAgent(stage, agent);
  return receivedAt - startedMs;
}

/** What the agent's processes work while the driver tells of 10,000 errors of programs a second: per second of the storm, in windows of one. */
async function* stormed(subject: Subject, runs: number): AsyncGenerator<number> {
  await using node = await openFaultyNode(subject, 8);
  if (node.storm === null) throw new Error('simulated GPUs have no storm; measure with --driver nvml');
  await using stage = await openStage(node.subject);
  const agent = stage.startAgent();
  await firstUsableList(stage);
  await sleep(settleMs);
  await node.storm(10_000);
  await sleep(settleMs);
  const cpu = cpuClock(agent.pid);
  for (let run = 0; run < runs; run += 1) {
    const [cpuBefore, startedMs] = [cpu(), performance.now()];
    await sleep(1000);
    yield ((cpu() - cpuBefore) * 1000) / (performance.now() - startedMs);
  }
}

/** With GPUs of a scenario, whatever the driver of the other figures. */
function simulated(subject: Subject): Subject {
  return { ...subject, driverArgs: ['--device-discovery-strategy', 'simulated'] };
}

/** Everything that is free is shown, so that the number of units is that of the GPUs left. */
function inMemoryUnits(subject: Subject): Subject {
  return { ...subject, config: { version: 'v1', memory: { unit: '1Gi', fit: 'sum' } } };
}

interface Case extends Failing {
  readonly name: string;
  readonly runs: number;
  readonly on: (subject: Subject) => Subject;
}

const whole = (subject: Subject): Subject => subject;
const cases: readonly Case[] = [
  {
    name: 'XID told → Unhealthy, 8 GPUs',
    fault: 'told',
    gpus: 8,
    resource: gpuResource,
    runs: 96,
    on: whole,
  },
  {
    name: 'XID told → Unhealthy, 8 GPUs, simulated',
    fault: 'told',
    gpus: 8,
    resource: gpuResource,
    runs: 96,
    on: simulated,
  },
  {
    name: 'XID told → Unhealthy, 8 GPUs in 20,000 time slices',
    fault: 'told',
    gpus: 8,
    resource: gpuResource,
    runs: 48,
    on: inTimeSlices,
  },
  {
    name: 'XID told → Unhealthy, 8 GPUs of 1,200 memory units',
    fault: 'told',
    gpus: 8,
    resource: memoryResource,
    runs: 48,
    on: inMemoryUnits,
  },
  {
    name: 'XID told → Unhealthy, 16 GPUs of 1,200 memory units',
    fault: 'told',
    gpus: 16,
    resource: memoryResource,
    runs: 48,
    on: inMemoryUnits,
  },
  {
    name: 'reset wanted, not told → Unhealthy, 8 GPUs',
    fault: 'shown',
    gpus: 8,
    resource: gpuResource,
    runs: 24,
    on: whole,
  },
  {
    name: 'reset wanted, not told → Unhealthy, 8 GPUs in 20,000 time slices',
    fault: 'shown',
    gpus: 8,
    resource: gpuResource,
    runs: 16,
    on: inTimeSlices,
  },
];

/** Figures of GPUs that fail. */
export const faults: readonly Measurement[] = [
  ...cases.map(({ name, runs, on, ...failing }): Measurement => ({
    name,
    unit: 'ms',
    runs,
    parts,
    measure: (subject, count) => condemned(on(subject), count, failing),
  })),
  { name: 'GPU lost → list of 20,000 time slices', unit: 'ms', runs: 50, parts, measure: gpuLost },
  { name: 'CPU in a storm of 10,000 XIDs a second', unit: 'ms/s', runs: 20, measure: stormed },
  {
    name: 'exec → first list',
    unit: 'ms',
    runs: 20,
    parts: ['8 GPUs well', '1 of 8 GPUs lost: 7 advertised'],
    measure: startWithLost,
  },
];
