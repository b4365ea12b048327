import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mustSkip } from '../../support/nvml-header.ts';
import { standInLibrary } from '../../support/nvml-library.ts';
import { parsePrometheusText } from './prometheus-text.ts';
import { childrenOf } from './processes.ts';
import { gpuResource, type RunningAgent, startRunningAgent } from './running-agent.ts';

const library = await standInLibrary();

/** True, and printed, where the stand-in for the driver's library cannot be compiled. */
export const skipNvml: boolean = mustSkip(library, 'the test of the agent on a sick NVML');

/** An agent on the stand-in library, whose scenario is the file `scenario` of the folder. */
export async function startOnStandIn(scenario: string, args: readonly string[] = []): Promise<RunningAgent> {
  const path = 'path' in library ? library.path : '';
  return startRunningAgent({
    args: ['--device-discovery-strategy', 'nvml', '--nvml-library', path, ...args],
    env: (folder) => ({ NVML_STAND_IN_SCENARIO: join(folder, 'scenario') }),
    files: { scenario: `${scenario}\n` },
  });
}

/** The same with all of its 8 GPUs served. */
export async function startOnEightGpus(): Promise<RunningAgent> {
  const node = await startOnStandIn('');
  try {
    await node.waitForGpus(8);
    return node;
  } catch (thrown) {
    await node[Symbol.asyncDispose]();
    throw thrown;
  }
}

/** Replaces the scenario. */
export async function setScenario(node: RunningAgent, scenario: string): Promise<void> {
  await node.write('scenario', `${scenario}\n`);
}

/**
 * Has the driver tell of an event, again and again until the test is content: what happens before the helper asks for events is not told.
 * @param lines what the scenario holds besides
 */
export async function tell(
  node: RunningAgent,
  event: string,
  until: Promise<unknown>,
  lines = '',
): Promise<void> {
  const scope = new AbortController();
  const done = until.finally(() => scope.abort());
  for (let serial = 1; !scope.signal.aborted; serial += 1) {
    await setScenario(node, `${lines}\nevent ${serial} ${event}`);
    await delay(500, undefined, { signal: scope.signal }).catch(() => undefined);
  }
  await done;
}

/** The process that holds the driver's library; throws unless there is exactly one. */
export function helperOf(node: RunningAgent): number {
  const [helper, ...others] = childrenOf(node.agent.pid);
  if (helper === undefined || others.length > 0)
    throw new Error(`The agent has ${others.length + (helper === undefined ? 0 : 1)} children`);
  return helper;
}

export async function driverRestarts(node: RunningAgent): Promise<number> {
  return (await metric(node, 'slicewise_driver_restarts_total')) ?? 0;
}

/** Seconds since the GPUs were read. */
export async function snapshotAge(node: RunningAgent): Promise<number> {
  return (await metric(node, 'slicewise_snapshot_age_seconds')) ?? 0;
}

/** How many lists the kubelet was sent. */
export function listsSent(node: RunningAgent): number {
  return node.kubelet.events.filter(({ kind }) => kind === 'list').length;
}

/** Resolves when the node has 8 GPUs and exactly these, by index, are Unhealthy. Ids are in order of the index. */
export async function waitForUnhealthy(node: RunningAgent, indexes: readonly number[]): Promise<void> {
  await node.waitForGpus(8 - indexes.length);
  const health = Object.values(node.listed());
  const unhealthy = health.flatMap((word, index) => (word === 'Unhealthy' ? [index] : []));
  const { capacity } = node.kubelet.nodeStatus()[gpuResource] ?? { capacity: 0 };
  if (capacity !== 8 || unhealthy.join() !== indexes.join())
    throw new Error(`Capacity ${capacity}, unhealthy: ${unhealthy.join()}; not 8 and ${indexes.join()}`);
}

async function metric(node: RunningAgent, name: string): Promise<number | undefined> {
  const { status, body } = await node.get('/metrics');
  return status === 200 ? parsePrometheusText(body).value(name) : undefined;
}
