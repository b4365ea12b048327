import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ContainerResponse } from '../../../src/allocation/response.ts';
import { parseScenario } from '../../../src/inventory/simulated/scenario.ts';
import { startAgent, type AgentProcess } from '../../../src/simulator/agent-process.ts';
import type { EventOf, KubeletEvent } from '../../../src/simulator/kubelet/kubelet-events.ts';
import { StandInKubelet, type StandInKubeletOptions } from '../../../src/simulator/kubelet/kubelet.ts';
import type { Pod, PodSpec } from '../../../src/simulator/kubelet/pod.ts';
import { cleanEnvironment, program } from './program.ts';

/** The resource of whole GPUs. */
export const gpuResource = 'nvidia.com/gpu';

/** How long a test waits for something that is about to happen. */
export const patienceMs = 45_000;

/** A scenario file's content. */
export interface ScenarioContent {
  readonly preset?: string;
  readonly gpus?: readonly object[];
  readonly overrides?: readonly object[];
  readonly timeline?: readonly object[];
  readonly driverVersion?: string;
}

export interface KubeletNodeOptions extends Pick<StandInKubeletOptions, 'habits' | 'seed'> {
  /** How many GPUs the node has, or its whole scenario; 4 GPUs when left out. */
  readonly gpus?: number | ScenarioContent;
  /** Offers GPU memory too, as agents do by default; most tests are about whole GPUs, and count what is registered. */
  readonly memory?: boolean;
  /** Does not start the kubelet: its folders do not exist yet. */
  readonly kubeletDown?: boolean;
}

/** A simulated node in a folder of its own. Disposing kills its agents, stops its kubelet and removes the folder. */
export interface KubeletNode extends AsyncDisposable {
  readonly folder: string;
  readonly kubelet: StandInKubelet;
  /** UUIDs by index, from the scenario itself: what the agent should find. */
  readonly gpuIds: readonly string[];
  /** Starts an agent; `args` come after the fixture's own and win over them. */
  startAgent(args?: readonly string[]): AgentProcess;
  /** Starts an agent and waits until all GPUs of the node can be asked for. */
  startServingAgent(args?: readonly string[]): Promise<AgentProcess>;
  /** Starts an agent on a node that has one already, and waits until it stands by and knows the GPUs. */
  startStandby(args?: readonly string[]): Promise<AgentProcess>;
  setGpu(index: number, state: 'present' | 'lost' | 'absent'): Promise<void>;
  writeScenario(content: ScenarioContent): Promise<void>;
  /** A pod of one container. */
  admit(name: string, devices: number, resource?: string): Promise<Pod>;
  /** Writes a config file for `--config-file`; its path. */
  writeConfig(content: object): Promise<string>;
  /** What the container of a pod was told; throws where it got nothing. */
  answerOf(pod: Pod): ContainerResponse;
  /** Resolves when the node's status has these counts, `allocatable/capacity` by resource. */
  waitForStatus(expected: Readonly<Record<string, string>>): Promise<void>;
  /** Resolves when the kubelet has been through with the pods that it found when it started, and drops dead ones again. */
  readmitted(): Promise<void>;
  /** Names of the agents' sockets beside kubelet.sock. */
  agentSockets(): Promise<readonly string[]>;
  /** The kubelet's events of a kind so far. */
  happened<Kind extends KubeletEvent['kind']>(kind: Kind): readonly EventOf<Kind>[];
}

export async function openKubeletNode(options: KubeletNodeOptions = {}): Promise<KubeletNode> {
  const { gpus = 4, habits = {}, seed = 1 } = options;
  const base: ScenarioContent = typeof gpus === 'number' ? { gpus: [{ model: 't4', count: gpus }] } : gpus;
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const scenarioFile = join(folder, 'node.yaml');
  const states = new Map<number, string>();
  const agents: AgentProcess[] = [];
  const kubelet = new StandInKubelet({ folder, habits, seed });

  const writeScenario = async (content: ScenarioContent): Promise<void> => {
    await writeFile(`${scenarioFile}.new`, JSON.stringify({ name: 'node', ...content }));
    await rename(`${scenarioFile}.new`, scenarioFile);
  };
  await writeScenario(base);
  const gpuIds = parseScenario(JSON.stringify(base), scenarioFile, 'node').gpus.map(({ uuid }) => uuid);
  if (options.kubeletDown !== true) await kubelet.start();

  const flags = {
    '--device-discovery-strategy': 'simulated',
    '--scenario': scenarioFile,
    '--kubelet-socket': kubelet.registrationSocket,
    '--pod-resources-socket': kubelet.podResourcesSocket,
    '--state-dir': join(folder, 'state'),
    '--cdi-root': join(folder, 'cdi'),
    '--http-address': 'off',
    '--rescan-interval': '1s',
    ...(options.memory === true ? {} : { '--memory-enabled': 'false' }),
  };
  const start = (args: readonly string[] = []): AgentProcess => {
    const agent = startAgent(program, [...Object.entries(flags).flat(), ...args], cleanEnvironment());
    agents.push(agent);
    return agent;
  };

  return {
    folder,
    kubelet,
    gpuIds,
    startAgent: start,
    async startServingAgent(args) {
      const agent = start(args);
      const ended = agent.exit.then(() => agent.waitForLog(() => false));
      ended.catch(() => undefined);
      await Promise.race([ended, kubelet.waitForAllocatable(gpuResource, gpuIds.length, patienceMs)]);
      return agent;
    },
    async startStandby(args) {
      const agent = start(args);
      await agent.waitForLog(({ msg }) => msg.startsWith('standing by'));
      await agent.waitForLog(({ msg }) => msg === 'device list changed');
      return agent;
    },
    async setGpu(index, state) {
      states.set(index, state);
      const overrides = [...states].map(([gpu, each]) => ({ gpu, state: each }));
      await writeScenario({ ...base, overrides: [...(base.overrides ?? []), ...overrides] });
    },
    writeScenario,
    admit: (name, count, resource = gpuResource) => kubelet.admit(podSpec(name, count, resource)),
    async writeConfig(content) {
      const path = join(folder, 'config.yaml');
      await writeFile(`${path}.new`, JSON.stringify(content));
      await rename(`${path}.new`, path);
      return path;
    },
    answerOf(pod) {
      const found = kubelet.holdings().find((holding) => holding.pod.uid === pod.uid);
      if (found === undefined) throw new Error(`pod ${pod.name} holds nothing: ${pod.phase} ${pod.message}`);
      return found.response;
    },
    async waitForStatus(expected) {
      const status = (): Readonly<Record<string, string>> =>
        Object.fromEntries(
          Object.entries(kubelet.nodeStatus()).map(([name, { allocatable, capacity }]) => [
            name,
            `${allocatable}/${capacity}`,
          ]),
        );
      await kubelet.waitUntil(
        () => isDeepStrictEqual(status(), expected),
        patienceMs,
        () => `${JSON.stringify(expected)}; now ${JSON.stringify(status())}`,
      );
    },
    async readmitted() {
      const pod = await kubelet.admit({ name: 'without devices', containers: [{ name: 'main' }] });
      kubelet.remove(pod);
    },
    async agentSockets() {
      const names = await readdir(kubelet.devicePluginFolder);
      return names.filter((name) => name.endsWith('.sock') && name !== 'kubelet.sock');
    },
    happened: <Kind extends KubeletEvent['kind']>(kind: Kind) =>
      kubelet.events.filter((event): event is EventOf<Kind> => event.kind === kind),
    async [Symbol.asyncDispose]() {
      await Promise.all(agents.map((agent) => agent[Symbol.asyncDispose]()));
      await kubelet[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** A pod of one container, `main`. */
function podSpec(name: string, devices: number, resource: string): PodSpec {
  return { name, containers: [{ name: 'main', resources: { [resource]: devices } }] };
}

/** Which running container holds which GPUs, by pod name: to be compared before and after. */
export function bookings(kubelet: StandInKubelet): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    kubelet
      .holdings()
      .map(({ pod, container, ids }) => [`${pod.uid}/${pod.name}/${container}`, ids.toSorted()]),
  );
}
