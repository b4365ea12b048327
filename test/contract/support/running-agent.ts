import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { type AgentProcess, type LogLine, startAgent } from '../../../src/simulator/agent-process.ts';
import { type StandInKubelet, startKubelet } from '../../../src/simulator/kubelet/kubelet.ts';
import type { Pod } from '../../../src/simulator/kubelet/pod.ts';
import { cleanEnvironment, program } from './program.ts';

/** The resource that the tests ask for. */
export const gpuResource = 'nvidia.com/gpu';

/** Far more than anything here takes; only a test that fails waits for so long. */
const deadlineMs = 45_000;

export interface RunningAgentOptions {
  /** Arguments beside those for the folder, from the folder's path if need be. */
  readonly args?: readonly string[] | ((folder: string) => readonly string[]);
  /** Variables beside PATH, from the folder's path if need be. */
  readonly env?: Variables | ((folder: string) => Variables);
  /** Files of the folder that are there before the agent starts, by name; what is no text is written as YAML. */
  readonly files?: Readonly<Record<string, unknown>>;
  /** Runs before the agent starts. */
  readonly prepare?: (folder: string) => Promise<void>;
  /** `later`: `startKubelet` starts it. */
  readonly kubelet?: 'running' | 'later';
}

type Variables = Readonly<Record<string, string>>;

export interface Answer {
  /** 0 while nobody listens. */
  readonly status: number;
  readonly body: string;
}

/** A folder with a stand-in kubelet and a real agent; disposing ends both and removes it. */
export class RunningAgent implements AsyncDisposable {
  readonly folder: string;
  readonly #start: () => AgentProcess;
  #kubelet: StandInKubelet | null = null;
  #agents: readonly AgentProcess[];

  constructor(folder: string, start: () => AgentProcess) {
    this.folder = folder;
    this.#start = start;
    this.#agents = [];
  }

  /** The kubelet; throws while none was started. */
  get kubelet(): StandInKubelet {
    if (this.#kubelet === null) throw new Error('There is no kubelet yet');
    return this.#kubelet;
  }

  /** The newest agent. */
  get agent(): AgentProcess {
    const newest = this.#agents.at(-1);
    if (newest === undefined) throw new Error('There is no agent yet');
    return newest;
  }

  async startKubelet(): Promise<void> {
    this.#kubelet = await startKubelet({ folder: this.folder });
  }

  /** Starts an agent, beside those that run. */
  startAgent(): AgentProcess {
    const agent = this.#start();
    this.#agents = [...this.#agents, agent];
    return agent;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Writes a file beside and renames it: a reader sees the old one or the new one. What is no text is written as YAML. */
  async write(name: string, content: unknown): Promise<void> {
    const path = this.path(name);
    await writeFile(`${path}.new`, typeof content === 'string' ? content : stringify(content));
    await rename(`${path}.new`, path);
  }

  /** Lines of the agent's log whose message or any field holds the text. */
  logged(text: string, agent: AgentProcess = this.agent): readonly LogLine[] {
    return agent.log.filter((line) => Object.values(line).some((value) => String(value).includes(text)));
  }

  /** Resolves with the first line that holds the text. */
  async waitForLog(text: string, agent: AgentProcess = this.agent): Promise<LogLine> {
    return agent.waitForLog(
      (line) => Object.values(line).some((value) => String(value).includes(text)),
      deadlineMs,
    );
  }

  /** What the agent answers over HTTP. */
  async get(path: string, agent: AgentProcess = this.agent): Promise<Answer> {
    await agent.waitForLog(isListening, deadlineMs);
    const { host, port } = agent.log.findLast(isListening) as LogLine & { host: string; port: number };
    try {
      const response = await fetch(`http://${host}:${port}${path}`);
      return { status: response.status, body: await response.text() };
    } catch (thrown) {
      return { status: 0, body: String(thrown) };
    }
  }

  /** Resolves when /readyz answers so: 200 or 503 and all of the texts. */
  async waitForReadyz(
    status: 200 | 503,
    texts: readonly string[] = [],
    agent?: AgentProcess,
  ): Promise<Answer> {
    return this.poll(
      () => this.get('/readyz', agent),
      (answer) => answer.status === status && texts.every((text) => answer.body.includes(text)),
      `/readyz ${status} with ${JSON.stringify(texts)}`,
    );
  }

  /** Asks again and again until the answer will do; throws at the deadline with the last one. */
  async poll<T>(ask: () => T | Promise<T>, accepts: (answer: T) => boolean, what: string): Promise<T> {
    const end = performance.now() + deadlineMs;
    for (let pauseMs = 20; ; pauseMs = Math.min(200, pauseMs * 1.2)) {
      const answer = await ask();
      if (accepts(answer)) return answer;
      if (performance.now() > end)
        throw new Error(`Not so in time: ${what}; last: ${JSON.stringify(answer)}\n${this.#tail()}`);
      await delay(pauseMs);
    }
  }

  /** Resolves when exactly so many GPUs are allocatable. */
  async waitForGpus(count: number): Promise<void> {
    try {
      await this.kubelet.waitForAllocatable(gpuResource, count, deadlineMs);
    } catch (thrown) {
      throw new Error(`${String(thrown)}\n${this.#tail()}`, { cause: thrown });
    }
  }

  /** Puts a pod with one container on the node. */
  admit(name: string, gpus: number): Promise<Pod> {
    return this.kubelet.admit({ name, containers: [{ name: 'main', resources: { [gpuResource]: gpus } }] });
  }

  /** Ids and health by the kubelet's newest list, in its order. */
  listed(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.kubelet.devices(gpuResource).map(({ id, health }) => [id, health]));
  }

  /** Tells the agent to stop; its exit code. */
  async stop(agent: AgentProcess = this.agent): Promise<number | null> {
    agent.signal('SIGTERM');
    return (await agent.exit).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents) await agent[Symbol.asyncDispose]();
    await this.#kubelet?.[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #tail(): string {
    return this.agent.log
      .slice(-20)
      .map((line) => JSON.stringify(line))
      .join('\n');
  }
}

/** A folder of its own, a kubelet unless it shall come later, and an agent that has just been started. */
export async function startRunningAgent(options: RunningAgentOptions = {}): Promise<RunningAgent> {
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const { args = [], env = {}, files = {}, kubelet = 'running' } = options;
  const own = typeof args === 'function' ? args(folder) : args;
  const variables = typeof env === 'function' ? env(folder) : env;
  const node = new RunningAgent(folder, () =>
    startAgent(program, [...folderArgs(folder, own), ...own], { ...cleanEnvironment(), ...variables }),
  );
  try {
    for (const [name, content] of Object.entries(files)) await node.write(name, content);
    await options.prepare?.(folder);
    if (kubelet === 'running') await node.startKubelet();
    node.startAgent();
    return node;
  } catch (thrown) {
    await node[Symbol.asyncDispose]();
    throw thrown;
  }
}

/** Everything that the agent touches lies in the folder; what a test sets itself is left out. */
function folderArgs(folder: string, own: readonly string[]): readonly string[] {
  const defaults = {
    '--kubelet-socket': join(folder, 'device-plugins/kubelet.sock'),
    '--pod-resources-socket': join(folder, 'pod-resources/kubelet.sock'),
    '--state-dir': join(folder, 'state'),
    '--cdi-root': join(folder, 'cdi'),
    '--http-address': '127.0.0.1:0',
    '--rescan-interval': '1s',
    // Most tests are about whole GPUs, and count what is registered.
    '--memory-enabled': 'false',
  };
  return Object.entries(defaults).flatMap(([name, value]) => (own.includes(name) ? [] : [name, value]));
}

function isListening({ msg }: LogLine): boolean {
  return msg.startsWith('serving /livez');
}
