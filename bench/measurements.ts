import { Client, credentials, type MethodDefinition } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { devicePluginService } from '../src/kubelet/wire.ts';
import {
  firstUsableList,
  gpuResource,
  registrationOf,
  openStage,
  stopAgent,
  type Stage,
  type Subject,
} from './agent-under-test.ts';
import { readProcessUse } from './process-use.ts';

/** One figure: its values come one by one, in the unit. */
export interface Measurement {
  readonly name: string;
  readonly unit: 'ms' | 'ms/s' | 'MB' | 's';
  readonly runs: number;
  /** Where one run gives several values: what each of them is. */
  readonly parts?: readonly string[];
  /** Yields `runs` values, or as many times one for each part. */
  readonly measure: (subject: Subject, runs: number) => AsyncGenerator<number | Values>;
}

/** One value for each part of a figure. */
export type Values = readonly number[];

/** From the start of the process to the first device list at the kubelet. */
async function* startToList(subject: Subject, runs: number): AsyncGenerator<number> {
  await using stage = await openStage(subject);
  for (let run = 0; run < runs; run += 1) {
    const from = stage.kubelet.events.length;
    const startedMs = performance.now();
    await using agent = stage.startAgent();
    const list = await firstUsableList(stage, from);
    yield list.at - startedMs;
    await stopAgent(stage, agent);
  }
}

/** Eight GPUs as 20,000 time slices, the longest list that there can be. */
export function inTimeSlices(subject: Subject): Subject {
  const resources = [{ name: gpuResource, replicas: 2500 }];
  return { ...subject, config: { version: 'v1', sharing: { timeSlicing: { resources } } } };
}

async function* stopToExit(subject: Subject, runs: number): AsyncGenerator<number> {
  await using stage = await openStage(subject);
  for (let run = 0; run < runs; run += 1) {
    await using agent = await startServing(stage);
    yield await stopAgent(stage, agent);
  }
}

/** From the kill of the agent that serves to the list of the one that stood by. */
async function* killedToList(subject: Subject, runs: number): AsyncGenerator<number> {
  await using stage = await openStage(subject);
  let serving = await startServing(stage);
  for (let run = 0; run < runs; run += 1) {
    const next = stage.startAgent();
    await serving.waitForLog(({ msg }) => msg.startsWith('another agent stands by'));
    await sleep(standbyMs);
    const from = stage.kubelet.events.length;
    const killedMs = performance.now();
    serving.signal('SIGKILL');
    const list = await firstUsableList(stage, from);
    yield list.at - killedMs;
    serving = next;
  }
}

/** Time for a standby to settle. */
const standbyMs = 1000;

/**
 * Calls one after the other from one client on the plugin's socket, as a kubelet that admits pods without a pause. Without memory, because
 * no kubelet gives one GPU out two thousand times in a row.
 */
async function* allocate(subject: Subject, runs: number): AsyncGenerator<number> {
  const { Allocate } = devicePluginService;
  const config = { version: 'v1', memory: { enabled: false } };
  yield* callTimes({ ...subject, config }, runs, (client, [id = '']) =>
    askPlugin(client, Allocate, [[id]], (answer) => answer.length === 1),
  );
}

/** The kubelet's own calls, pods of one GPU coming and ending one after the other: some get a GPU that has just become free. */
async function* allocateToPods(subject: Subject, runs: number): AsyncGenerator<number> {
  await using stage = await openStage(subject);
  await startServing(stage);
  const { kubelet } = stage;
  for (let run = 0; run < runs; run += 1) {
    const from = kubelet.events.length;
    const pod = await kubelet.admit({
      name: `pod-${run}`,
      containers: [{ name: 'main', resources: { [gpuResource]: 1 } }],
    });
    const { durationMs } = await kubelet.waitForEvent('allocated', { from });
    yield durationMs;
    kubelet.remove(pod);
    await sleep(betweenPodsMs);
  }
}

/** After an answer the agent makes new lists, which this very process reads. */
const betweenPodsMs = 50;

async function* prefer(subject: Subject, runs: number): AsyncGenerator<number> {
  const { GetPreferredAllocation } = devicePluginService;
  yield* callTimes(subject, runs, (client, availableIds) =>
    askPlugin(
      client,
      GetPreferredAllocation,
      [{ availableIds, requiredIds: [], size: 1 }],
      (answer) => answer[0]?.length === 1,
    ),
  );
}

async function* callTimes(
  subject: Subject,
  runs: number,
  ask: (client: Client, ids: readonly string[]) => Promise<void>,
): AsyncGenerator<number> {
  await using stage = await openStage(subject);
  await startServing(stage);
  using client = connectTo(stage, gpuResource);
  const ids = stage.kubelet.devices(gpuResource).map((device) => device.id);
  const warmUp = 200;
  for (let run = 0; run < runs + warmUp; run += 1) {
    const startedMs = performance.now();
    await ask(client, ids);
    if (run >= warmUp) yield performance.now() - startedMs;
  }
}

/** A client of the socket that a resource was last registered with. */
export function connectTo({ kubelet }: Stage, resource: string): Client & Disposable {
  const socket = join(kubelet.devicePluginFolder, registrationOf(kubelet, resource));
  const client = new Client(`unix://${socket}`, credentials.createInsecure());
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

/** One call; rejects when its answer is not a good one. */
export function askPlugin<Request, Response>(
  client: Client,
  method: MethodDefinition<Request, Response>,
  request: Request,
  isGood: (response: Response) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      (error, response) => {
        if (error !== null) reject(error);
        else if (response === undefined || !isGood(response))
          reject(new Error(`${method.path} gave a wrong answer`));
        else resolve();
      },
    );
  });
}

async function* kubeletRestart(subject: Subject, runs: number): AsyncGenerator<number> {
  await using stage = await openStage(subject);
  await startServing(stage);
  for (let run = 0; run < runs; run += 1) {
    const from = stage.kubelet.events.length;
    await stage.kubelet.restart({ downMs: 100 });
    const up = await stage.kubelet.waitForEvent('started', { from });
    const list = await firstUsableList(stage, from);
    yield list.at - up.at;
  }
}

async function* refusedRegister(subject: Subject, runs: number): AsyncGenerator<number> {
  for (let run = 0; run < runs; run += 1) {
    await using stage = await openStage(subject);
    stage.kubelet.faults.refuseRegistrations(2, 'not now');
    stage.startAgent();
    const refused = await stage.kubelet.waitForEvent('registration-refused', {});
    const list = await firstUsableList(stage);
    yield list.at - refused.at;
  }
}

/** On a fresh node each: a kubelet that lets go again and again is asked ever less often. */
async function* lostStream(subject: Subject, runs: number): AsyncGenerator<number> {
  for (let run = 0; run < runs; run += 1) {
    await using stage = await openStage(subject);
    await startServing(stage);
    const from = stage.kubelet.events.length;
    const droppedMs = performance.now();
    stage.kubelet.dropStream(gpuResource);
    const list = await firstUsableList(stage, from);
    yield list.at - droppedMs;
  }
}

async function* lostSocket(subject: Subject, runs: number): AsyncGenerator<number> {
  for (let run = 0; run < runs; run += 1) {
    await using stage = await openStage(subject);
    await startServing(stage);
    const from = stage.kubelet.events.length;
    const removedMs = performance.now();
    await rm(join(stage.kubelet.devicePluginFolder, registrationOf(stage.kubelet, gpuResource)));
    const list = await firstUsableList(stage, from);
    yield list.at - removedMs;
  }
}

/** CPU time of all processes of the agent over the idle time, and what they hold in memory at its end. */
async function* idle(subject: Subject, figure: IdleFigure): AsyncGenerator<number> {
  await using stage = await openStage(subject);
  await using agent = await startServing(stage);
  await sleep(settleMs);
  const before = readProcessUse(agent.pid);
  if (figure === 'cpuSeconds') await sleep(idleMs);
  const after = readProcessUse(agent.pid);
  yield figure === 'cpuSeconds' ? after.cpuSeconds - before.cpuSeconds : after[figure];
}

/** After the start, until what it needed has been collected. */
const settleMs = 20_000;
const idleMs = 60_000;

type IdleFigure = 'cpuSeconds' | 'privateDirtyMB' | 'pssMB';

async function startServing(stage: Stage): Promise<ReturnType<Stage['startAgent']>> {
  const from = stage.kubelet.events.length;
  const agent = stage.startAgent();
  await firstUsableList(stage, from);
  return agent;
}

/** Every figure of `npm run bench`, in order. */
export const measurements: readonly Measurement[] = [
  { name: 'exec → first list at the kubelet', unit: 'ms', runs: 20, measure: startToList },
  {
    name: 'exec → first list, 20,000 time slices',
    unit: 'ms',
    runs: 20,
    measure: (subject, runs) => startToList(inTimeSlices(subject), runs),
  },
  { name: 'Allocate, 1 GPU', unit: 'ms', runs: 2000, measure: allocate },
  { name: 'Allocate, 1 GPU to pods that come and go', unit: 'ms', runs: 200, measure: allocateToPods },
  { name: 'GetPreferredAllocation, 1 of 8 GPUs', unit: 'ms', runs: 2000, measure: prefer },
  {
    name: 'GetPreferredAllocation, 1 of 20,000 time slices',
    unit: 'ms',
    runs: 100,
    measure: (subject, runs) => prefer(inTimeSlices(subject), runs),
  },
  { name: 'kubelet.sock recreated → list', unit: 'ms', runs: 50, measure: kubeletRestart },
  { name: 'Register refused → list', unit: 'ms', runs: 10, measure: refusedRegister },
  { name: 'list stream lost → list', unit: 'ms', runs: 10, measure: lostStream },
  { name: 'own socket removed → list', unit: 'ms', runs: 10, measure: lostSocket },
  { name: 'SIGTERM → exit', unit: 'ms', runs: 20, measure: stopToExit },
  { name: 'standby: SIGKILL of the other → list', unit: 'ms', runs: 20, measure: killedToList },
  {
    name: 'private dirty memory, all processes',
    unit: 'MB',
    runs: 1,
    measure: (s) => idle(s, 'privateDirtyMB'),
  },
  { name: 'Pss, all processes', unit: 'MB', runs: 1, measure: (s) => idle(s, 'pssMB') },
  { name: 'CPU over 60 s idle', unit: 's', runs: 1, measure: (s) => idle(s, 'cpuSeconds') },
];
