import { mkdtemp, readFile, rm, writeFile, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { isPresetName, parseScenario, presetScenario } from '../../inventory/simulated/scenario.ts';
import { OperatorError } from '../../lib/errors.ts';
import { type AgentProcess, type SelfProgram, startAgent } from '../agent-process.ts';
import { type StandInKubelet, startKubelet } from '../kubelet/kubelet.ts';
import { gpuRows, type GpuRow } from './story-rows.ts';

/** The resource that the story is about. */
export const gpuResource = 'nvidia.com/gpu';

/** The simulated node of a story: a preset, a scenario file, or such a file's content. */
export type StoryScenario = string | { readonly name: string; readonly gpus: readonly object[] };

/** The stage of the demo: a folder, a simulated node, a stand-in kubelet, and the agent that runs now. */
export interface StoryNode extends AsyncDisposable {
  readonly kubelet: StandInKubelet;
  /** UUIDs by index, from the scenario itself: what the agent should find. */
  readonly gpuIds: readonly string[];
  readonly agent: AgentProcess;
  /** Starts an agent, for example after the last one was killed. */
  startAgent(): AgentProcess;
  /** Makes a GPU fall off the bus, or come back. */
  setGpu(index: number, state: 'present' | 'lost'): Promise<void>;
  /** The driver tells of an XID of a GPU, and wants something done about it from then on. */
  tellXid(index: number, xid: number, wanted: 'none' | 'reset'): Promise<void>;
  /** The driver wants nothing done about a GPU any more, as after a reset. */
  resetGpu(index: number): Promise<void>;
  /** Cuts a GPU into other MIG instances; those that stay keep their UUIDs. */
  setMig(index: number, profiles: readonly string[]): Promise<void>;
  rows(): readonly GpuRow[];
  lastLogLines(): readonly string[];
}

/** The story needs two pods with a GPU each. */
const fewestGpus = 2;

/** Sets the stage in a temporary folder of its own; disposing stops everything and removes it. */
export async function openStoryNode(options: {
  readonly scenario: StoryScenario;
  readonly self: SelfProgram;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The agent's config file; none when left out. */
  readonly config?: object;
}): Promise<StoryNode> {
  const base = await readBase(options.scenario);
  const source = typeof options.scenario === 'string' ? options.scenario : base.name;
  const gpuIds = parseScenario(stringify(base), source, base.name).gpus.map((gpu) => gpu.uuid);
  if (gpuIds.length < fewestGpus) {
    throw new OperatorError(
      'bad-scenario',
      `The scenario ${source} has ${gpuIds.length} GPU; the demo needs ${fewestGpus} or more`,
    );
  }
  const folder = await mkdtemp(join(tmpdir(), 'slicewise-'));
  const scenarioFile = join(folder, 'node.yaml');
  const changes = new Map<number, object>();
  const told: object[] = [];
  const change = (index: number, to: object): void =>
    void changes.set(index, { ...changes.get(index), ...to });
  const writeScenario = async (): Promise<void> => {
    const overrides = [...changes].map(([gpu, to]) => ({ gpu, ...to }));
    const timeline = [...base.timeline, ...told];
    await writeFile(
      `${scenarioFile}.new`,
      stringify({ ...base, overrides: [...base.overrides, ...overrides], timeline }),
    );
    await rename(`${scenarioFile}.new`, scenarioFile);
  };
  await writeScenario();
  const configFile = join(folder, 'config.yaml');
  if (options.config !== undefined) await writeFile(configFile, stringify(options.config));
  const kubelet = await startKubelet({ folder });
  const args = [
    '--device-discovery-strategy',
    'simulated',
    '--scenario',
    scenarioFile,
    '--kubelet-socket',
    kubelet.registrationSocket,
    '--pod-resources-socket',
    kubelet.podResourcesSocket,
    '--state-dir',
    join(folder, 'state'),
    '--cdi-root',
    join(folder, 'cdi'),
    '--http-address',
    '127.0.0.1:0',
    '--rescan-interval',
    '1s',
    ...(options.config === undefined ? [] : ['--config-file', configFile]),
  ];
  const start = (): AgentProcess => startAgent(options.self, args, options.env);
  let agent = start();

  return {
    kubelet,
    gpuIds,
    get agent() {
      return agent;
    },
    startAgent() {
      agent = start();
      return agent;
    },
    async setGpu(index, state) {
      change(index, { state });
      await writeScenario();
    },
    async tellXid(index, xid, wanted) {
      told.push({ at: '0s', id: `story-${told.length}`, gpu: index, do: 'xid', xid });
      change(index, { recoveryAction: wanted });
      await writeScenario();
    },
    async resetGpu(index) {
      change(index, { recoveryAction: 'none' });
      await writeScenario();
    },
    async setMig(index, profiles) {
      change(index, { mig: profiles });
      await writeScenario();
    },
    rows: () => gpuRows(kubelet, gpuIds),
    lastLogLines: () => agent.log.slice(-5).map((line) => `agent's log: ${JSON.stringify(line)}`),
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await kubelet[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface StoryBase {
  readonly name: string;
  readonly overrides: readonly object[];
  readonly timeline: readonly object[];
}

/** The scenario as a file's content; a name of its own keeps the UUIDs the same wherever the file lies. */
async function readBase(scenario: StoryScenario): Promise<StoryBase> {
  if (typeof scenario !== 'string') return { ...scenario, overrides: [], timeline: [] };
  if (isPresetName(scenario)) {
    const { name } = presetScenario(scenario);
    const preset = { preset: scenario, name, overrides: [], timeline: [] };
    return preset;
  }
  const text = await readFile(scenario, 'utf8').catch((thrown: unknown) => {
    throw new OperatorError(
      'bad-scenario',
      `The scenario ${scenario} is neither a preset nor a file that can be read`,
      {
        cause: thrown,
      },
    );
  });
  const { name } = parseScenario(text, scenario, 'demo');
  const content = parse(text) as Partial<StoryBase>;
  return { ...content, name, overrides: content.overrides ?? [], timeline: content.timeline ?? [] };
}
