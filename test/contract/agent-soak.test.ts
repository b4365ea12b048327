import { describe, expect, it } from 'vitest';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import type { Pod, PodSpec } from '../../src/simulator/kubelet/pod.ts';
import { seededRandom } from '../../src/simulator/seeded-random.ts';
import { gpuResource, openKubeletNode, patienceMs, type KubeletNode } from './support/kubelet-node.ts';

const gpuCount = 6;
/** About 10 s, most of which goes into restarts. */
const steps = 160;

/** What was done, newest last: read it when an assertion fails. */
type History = string[];

describe('a soak', () => {
  it.concurrent.for([1, 2])(
    'of random steps, seed %s: nothing is booked twice, no container changes its GPUs',
    async (seed, { expect: check }) => {
      await using node = await openKubeletNode({ gpus: gpuCount, seed });
      const soak = new Soak(node, seed);
      await soak.begin();
      for (let count = 0; count < steps; count += 1) {
        await soak.step();
        soak.checkBooks();
      }
      await soak.finish();
      // Each kind of restart was among the steps, and pods ran.
      for (const kind of ['restart the kubelet', 'the agent', 'restart main', 'GPU', 'end'])
        check(soak.history.filter((step) => step.includes(kind)).length, kind).toBeGreaterThan(0);
      check(node.happened('allocated').length).toBeGreaterThan(10);
    },
  );
});

/** Random life on a node, and what has to hold after every step of it. */
class Soak {
  readonly history: History = [];
  readonly #node: KubeletNode;
  readonly #random: () => number;
  readonly #agents: AgentProcess[] = [];
  /** The ids of each container when it was first seen running. */
  readonly #given = new Map<string, readonly string[]>();

  constructor(node: KubeletNode, seed: number) {
    this.#node = node;
    this.#random = seededRandom(seed);
  }

  async begin(): Promise<void> {
    this.#agents.push(await this.#node.startServingAgent());
    this.#agents.push(await this.#node.startStandby());
  }

  async step(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.5) return this.#admit();
    if (dice < 0.75) return this.#end();
    if (dice < 0.8) return this.#restartContainer();
    if (dice < 0.95) return this.#changeGpu();
    if (dice < 0.975) return this.#restartKubelet();
    return this.#changeAgent();
  }

  checkBooks(): void {
    const { kubelet } = this.#node;
    const last = this.history.slice(-8).join('; ');
    expect(kubelet.duplicates(), `after ${last}`).toEqual([]);
    expect(kubelet.violations, `after ${last}`).toEqual([]);
    expect(kubelet.crashed, `after ${last}`).toBeNull();
    for (const { pod, container, ids, response } of kubelet.holdings()) {
      const key = `${pod.uid}/${container}`;
      const before = this.#given.get(key);
      if (before === undefined) this.#given.set(key, ids.toSorted());
      else expect(ids.toSorted(), `${pod.name}/${container} after ${last}`).toEqual(before);
      const seen = response.envs['NVIDIA_VISIBLE_DEVICES']?.split(',').toSorted();
      expect(seen, `what ${pod.name}/${container} sees after ${last}`).toEqual(ids.toSorted());
    }
  }

  /** All pods go and all GPUs come back: everything can be had again. */
  async finish(): Promise<void> {
    const { kubelet, gpuIds } = this.#node;
    await this.#node.readmitted();
    for (const pod of kubelet.pods) kubelet.remove(pod);
    for (const index of gpuIds.keys()) await this.#node.setGpu(index, 'present');
    await kubelet.waitForAllocatable(gpuResource, gpuIds.length, patienceMs);
    const whole = await this.#node.admit('whole', gpuIds.length);
    expect(whole.phase, `${whole.message} after ${this.history.slice(-8).join('; ')}`).toBe('Running');
    this.checkBooks();
    for (const agent of this.#agents)
      expect(agent.log.filter(({ level }) => level === 'error' || level === 'text')).toEqual([]);
  }

  async #admit(): Promise<void> {
    const spec = this.#podSpec(`p${this.history.length}`);
    this.history.push(`admit ${spec.name}`);
    const pod = await this.#node.kubelet.admit(spec);
    expect(['Running', 'Failed'], `a phase after: ${pod.message}`).toContain(pod.phase);
  }

  #podSpec(name: string): PodSpec {
    const some = (): { [gpuResource]: number } => ({ [gpuResource]: 1 + this.#pick(2) });
    const shape = this.#random();
    return {
      name,
      initContainers: shape < 0.6 ? [] : [{ name: 'before', resources: some(), restartable: shape > 0.85 }],
      containers: [
        { name: 'main', resources: some() },
        ...(shape < 0.2 ? [{ name: 'second', resources: some() }] : []),
      ],
    };
  }

  /** The end of a pod: done, failed, or deleted. */
  #end(): void {
    const pod = this.#somePod();
    if (pod === undefined) return;
    const how = this.#random();
    this.history.push(`end ${pod.name}`);
    if (how < 0.5 || pod.phase !== 'Running') this.#node.kubelet.remove(pod);
    else this.#node.kubelet.finish(pod, how < 0.75 ? 'Succeeded' : 'Failed');
  }

  async #restartContainer(): Promise<void> {
    const running = this.#node.kubelet.pods.filter(({ phase }) => phase === 'Running');
    const pod = running[this.#pick(running.length)];
    if (pod === undefined) return;
    this.history.push(`restart main of ${pod.name}`);
    await this.#node.kubelet.restartContainer(pod, 'main');
  }

  async #changeGpu(): Promise<void> {
    const index = this.#pick(gpuCount);
    const state = (['lost', 'present', 'present', 'absent'] as const)[this.#pick(4)] ?? 'present';
    this.history.push(`GPU ${index} ${state}`);
    await this.#node.setGpu(index, state);
  }

  async #restartKubelet(): Promise<void> {
    this.history.push('restart the kubelet');
    const from = this.#node.kubelet.events.length;
    await this.#node.kubelet.restart({ downMs: this.#pick(3) * 100 });
    if (this.#random() < 0.5) return;
    await this.#node.kubelet.waitForEvent('list', { from, deadlineMs: patienceMs });
  }

  /** The agent that serves is killed or told to stop; the standby takes over and another one stands by. */
  async #changeAgent(): Promise<void> {
    const signal = this.#random() < 0.5 ? 'SIGKILL' : 'SIGTERM';
    this.history.push(`${signal} the agent`);
    const from = this.#node.kubelet.events.length;
    const serving = this.#agents.at(-2);
    serving?.signal(signal);
    const exit = await serving?.exit;
    if (signal === 'SIGTERM') expect(exit).toEqual({ code: 0, signal: null });
    if (this.#random() < 0.5) await this.#node.kubelet.waitForEvent('list', { from, deadlineMs: patienceMs });
    this.#agents.push(await this.#node.startStandby());
  }

  #somePod(): Pod | undefined {
    const { pods } = this.#node.kubelet;
    return pods[this.#pick(pods.length)];
  }

  #pick(count: number): number {
    return Math.floor(this.#random() * count);
  }
}
