import { expect } from 'vitest';
import { memoryResource } from '../../../src/resources/memory-units.ts';
import { gpuResource } from '../../../src/resources/resource-name.ts';
import { gpu } from '../../support/snapshots.ts';
import { ModelAgent } from './model-agent.ts';
import { ModelKubelet, type ModelContainer, type ModelPod } from './model-kubelet.ts';

/** Four GPUs of 8 GiB and one of 5: units of 1 GiB, or of 2. */
export const gpus = [8, 8, 8, 8, 5].map((gibibytes, index) =>
  gpu(index, { memoryTotalMiB: gibibytes * 1024 + 100, memoryReservedMiB: 0 }),
);
export const unitsAt = gpus.map(({ memoryTotalMiB }) => Math.floor((memoryTotalMiB ?? 0) / 1024));

/** What a living container was told it may use. */
interface Living {
  readonly pod: ModelPod;
  readonly kind: ModelContainer['kind'];
  readonly gpu: string;
  /** `null`: the GPU as a whole. */
  readonly mib: number | null;
}

/** How often each thing happens, against the others. */
export const stepWeights = {
  'memory-pod': 3,
  'init-pod': 2,
  'whole-pod': 1,
  'mixed-pod': 1,
  end: 4,
  wait: 2,
  restart: 1,
  'restart-lossy': 1,
  'lose-file': 1,
  'remove-file': 1,
  'agent-restart': 1,
  'both-restart': 1,
  'lose-file-unseen': 1,
  fault: 1,
  mend: 1,
  config: 1,
  deaf: 1,
  overtaken: 1,
  'outside-list': 1,
};
export type StepKind = keyof typeof stepWeights;

/** Something that happens, two numbers that say how, and the time that passes after it. */
export interface Step {
  readonly kind: StepKind;
  readonly a: number;
  readonly b: number;
  readonly waitMs: number;
}

/** A node in a history: the model kubelet, the core, and what really runs, which neither of them sees. */
export class ModelNode {
  nowMs = 1_000_000;
  readonly kubelet: ModelKubelet;
  agent: ModelAgent;
  readonly living: Living[] = [];
  granted = 0;
  refused = 0;
  #pods = 0;
  /**
   * Ids that were on two GPUs at once: of an init container and its app container, given out twice by a kubelet that forgot the first, or
   * given to another pod before the agent has heard of the first one's end. Such an id has the health of either.
   */
  readonly #shared = new Set<string>();
  /** The agent's loop is held up: nothing is looked at and no list is sent. */
  #isDeaf = false;
  /** Whether the driver says how much memory is in use, and when it was read last. */
  readonly #driverTells: boolean;
  #readMs = 0;

  readonly #steps: Readonly<Record<StepKind, (a: number, b: number) => void>> = {
    'memory-pod': (a) => this.#admit([app(memoryResource, 1 + (a % 8))]),
    'init-pod': (a, b) => this.#admit([init(memoryResource, 1 + (a % 5)), app(memoryResource, 1 + (b % 8))]),
    'whole-pod': (a) => this.#admit([app(gpuResource, 1 + (a % 2))]),
    'mixed-pod': (a, b) => {
      const one = { ...app(memoryResource, 1 + (a % 4)), name: 'one' };
      this.#admit([init(gpuResource, 1), one, app(memoryResource, 1 + (b % 4))]);
    },
    end: (a) => this.#endOne(a),
    wait: () => undefined,
    restart: () => this.#restartKubelet('none'),
    'restart-lossy': () => this.#restartKubelet('last-write-for-a-list'),
    'lose-file': () => {
      this.#letAgentSeeAll();
      this.#restartKubelet('file');
    },
    'remove-file': () => {
      this.#letAgentSeeAll();
      this.kubelet.removeFile();
    },
    'agent-restart': () => this.#restartAgent(),
    'both-restart': (a, b) => this.#restartBoth(a % 2 === 0 ? 'none' : 'last-write-for-a-list', b),
    'lose-file-unseen': (_, b) => {
      this.#letAgentSeeAll();
      this.#restartBoth('file', b);
    },
    fault: (a) => this.agent.faults.set(gpus[a % gpus.length]?.uuid ?? '', 'planted'),
    mend: () => this.agent.faults.clear(),
    config: (a, b) =>
      Object.assign(this.agent.config, {
        unitMiB: b % 5 === 0 ? 2048 : 1024,
        reservedPerGpuMiB: a % 2 === 0 ? 0 : 2048,
        maxPerContainer: a % 3 === 0 ? 4 : null,
        fit: (['guaranteed', 'adaptive', 'sum'] as const)[b % 3],
      }),
    deaf: (a) => {
      this.#isDeaf = a % 2 === 0;
    },
    overtaken: (a) => this.#readAnOldFile(a),
    'outside-list': () => {
      // Time enough for a List of ours to show what was answered.
      this.#isDeaf = false;
      this.pass(4500);
      this.kubelet.forgetNewestIds();
    },
  };

  constructor(seed: number) {
    this.#driverTells = seed % 2 === 0;
    const found = seed % 3 === 0 ? [this.#otherPluginsPod(seed % gpus.length)] : [];
    this.kubelet = new ModelKubelet(
      seed,
      found.map(({ pod, gpu: id }) => ({
        podUid: pod.uid,
        container: 'app',
        resource: gpuResource,
        deviceIds: [id],
        record: null,
      })),
    );
    for (const { pod } of found) this.kubelet.pods.push(pod);
    this.living.push(...found);
    this.agent = new ModelAgent(gpus, this.kubelet, {
      unitMiB: 1024,
      reservedPerGpuMiB: 0,
      maxPerContainer: null,
      fit: 'guaranteed',
    });
    this.agent.start(this.nowMs, null);
  }

  run(step: Step): void {
    const { kind, a, b, waitMs } = step;
    this.#steps[kind](a, b);
    this.check();
    this.pass(waitMs);
    this.check();
  }

  /** Lets time go by, with the turns of the agent's loop. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.nowMs < untilMs) {
      this.nowMs = Math.min(untilMs, this.nowMs + 500);
      if (this.#driverTells && this.nowMs - this.#readMs >= 4000) this.#readMemory();
      if (!this.#isDeaf) this.agent.turn(this.nowMs);
    }
  }

  /** A container that runs uses memory; 40 MiB are in use where none does. */
  #readMemory(): void {
    this.#readMs = this.nowMs;
    const used = gpus.map(({ uuid }) => {
      const isInUse = this.living.some(({ gpu: at }) => at === uuid);
      return { uuid, usedMiB: isInUse ? 700 : 540, reservedMiB: 500 };
    });
    this.agent.take({ kind: 'memory-used', atMs: this.nowMs, gpus: used });
  }

  /** Everything has ended: pods and faults, and orphans by what the driver says, or an admin. */
  end(): void {
    this.#isDeaf = false;
    for (const pod of this.kubelet.pods) this.#endPod(pod);
    this.agent.faults.clear();
    Object.assign(this.agent.config, { unitMiB: 1024, reservedPerGpuMiB: 0, maxPerContainer: null });
    if (!this.#driverTells)
      for (const { uuid } of gpus) this.agent.take({ kind: 'acknowledged', atMs: this.nowMs, gpu: uuid });
    this.pass(100_000);
    this.nowMs += 3_600_000;
    this.agent.sendIfChanged(this.nowMs);
  }

  /** Ids that the kubelet holds for pods that live are Healthy as long as their GPU is. */
  check(): void {
    const healthy = this.agent.healthy(this.nowMs);
    for (const { podUid, resource, deviceIds, record } of this.kubelet.entries) {
      const pod = this.kubelet.pods.find(({ uid }) => uid === podUid);
      const named =
        record === null
          ? deviceIds
          : (JSON.parse(record) as { gpus: { uuid: string }[] }).gpus.map(({ uuid }) => uuid);
      if (pod?.active !== true || named.some((uuid) => this.agent.faults.has(uuid))) continue;
      const others = this.kubelet.entries.filter((other) => other.record !== record);
      const known = this.agent.holdings.entries.filter((entry) => entry.resource === resource);
      for (const id of deviceIds) {
        const isTwice = known.filter(({ ids }) => ids.has(id)).length > 1;
        if (isTwice || others.some((other) => other.deviceIds.includes(id))) this.#shared.add(id);
      }
      if (this.agent.faults.size > 0 && deviceIds.some((id) => this.#shared.has(id))) continue;
      const shown = new Set(healthy.get(resource));
      expect(
        deviceIds.filter((id) => !shown.has(id)),
        `ids of ${podUid} that are held and shown Unhealthy`,
      ).toEqual([]);
    }
  }

  /** A StatefulSet gives the name of a pod that has ended to the next one. */
  #freeName(): string {
    const taken = new Set(this.kubelet.pods.flatMap(({ name, active }) => (active ? [name] : [])));
    let number = 0;
    while (taken.has(`web-${number}`)) number += 1;
    return `web-${number}`;
  }

  /** What was answered a moment ago and is lost with the file is nobody's to know. */
  #letAgentSeeAll(): void {
    this.#isDeaf = false;
    this.pass(40_000);
  }

  #restartAgent(): void {
    // A file that is missing when the agent begins means that nothing is held; no kubelet that lives has it so.
    if (this.kubelet.read() === 'absent') return;
    this.kubelet.loseStreams();
    this.#beginAgent();
  }

  /** The kubelet restarts while no agent runs, and a pod may end. */
  #restartBoth(loss: 'none' | 'last-write-for-a-list' | 'file', b: number): void {
    if (b % 3 === 0) this.#endOne(b);
    this.kubelet.restart(loss);
    if (b % 3 === 1) this.#endOne(b);
    this.#beginAgent();
  }

  /** A new agent in the place of one that was killed. */
  #beginAgent(): void {
    const { kept, config, faults } = this.agent;
    this.agent = new ModelAgent(gpus, this.kubelet, config);
    for (const [uuid, text] of faults) this.agent.faults.set(uuid, text);
    this.#isDeaf = false;
    this.agent.start(this.nowMs, kept);
  }

  /** A pod comes of which no List ever shows anything; a round sees it, and the next one reads a file from before it. */
  #readAnOldFile(a: number): void {
    const old = this.kubelet.read();
    if (old === 'absent') return;
    this.#admit([init(memoryResource, 1 + (a % 4))]);
    this.nowMs += 200;
    this.agent.round(this.nowMs);
    this.nowMs += 200;
    this.agent.round(this.nowMs, old);
  }

  #restartKubelet(loss: 'none' | 'last-write-for-a-list' | 'file'): void {
    this.kubelet.restart(loss);
    this.agent.seeNewKubelet(this.nowMs);
  }

  #admit(containers: readonly ModelContainer[]): void {
    if (!this.#isDeaf) this.agent.sendIfChanged(this.nowMs);
    const uid = `pod-${(this.#pods += 1)}`;
    const pod: ModelPod = { uid, name: this.#freeName(), containers, active: true };
    const given: Living[] = [];
    const isAdmitted = this.kubelet.admit(pod, (resource, ids, container) => {
      const mayBeRefused = this.#mayBeRefused(resource, ids);
      const answer = this.agent.allocate(resource, ids, this.nowMs);
      if ('refused' in answer) {
        this.refused += 1;
        if (!mayBeRefused && container === pod.containers[0])
          expect.unreachable(`promised, and refused: ${answer.refused}`);
        return answer;
      }
      this.granted += 1;
      const { gpus: named } = JSON.parse(answer.record) as { gpus: { uuid: string; mib: number | null }[] };
      for (const { uuid, mib } of named)
        given.push({ pod, kind: container.kind, gpu: uuid, mib: resource === gpuResource ? null : mib });
      for (const { uuid } of named) this.#checkGpu(uuid, [...this.living, ...given]);
      return answer;
    });
    // The containers of a pod start when all of them have been given what they asked for.
    if (isAdmitted) this.living.push(...given);
    if (!this.#isDeaf) this.agent.sendIfChanged(this.nowMs);
  }

  /** A request that the newest list promises is granted, unless something is booked that has ended: its place may be missing. */
  #mayBeRefused(resource: string, ids: readonly string[]): boolean {
    const { holdings, config } = this.agent;
    if (
      config.fit !== 'guaranteed' ||
      this.#isDeaf ||
      (resource === memoryResource && ids.length > this.#mostForOne())
    )
      return true;
    const active = new Set(this.kubelet.pods.flatMap(({ uid, active }) => (active ? [uid] : [])));
    const isStale = holdings.entries.some(
      ({ owner, afterlife }) => afterlife !== null || !active.has(owner?.podUid ?? ''),
    );
    // The kubelet has forgotten that they are taken.
    const isTaken = this.kubelet.entries.some(({ deviceIds }) => deviceIds.some((id) => ids.includes(id)));
    return isStale || isTaken;
  }

  /** The cap on one container, and the units of the largest GPU. */
  #mostForOne(): number {
    const { unitMiB, reservedPerGpuMiB, maxPerContainer } = this.agent.config;
    return Math.min(maxPerContainer ?? 8, Math.floor((8 * 1024 + 100 - reservedPerGpuMiB) / unitMiB));
  }

  /** On no GPU more than there is, and never whole and in parts. Init containers end before the others of their pod begin. */
  #checkGpu(uuid: string, all: readonly Living[]): void {
    const here = all.filter(({ gpu: at }) => at === uuid);
    const wholePods = new Set(here.flatMap(({ pod, mib }) => (mib === null ? [pod] : [])));
    const memory = here.flatMap(({ pod, kind, mib }) => (mib === null ? [] : [{ pod, kind, mib }]));
    const what = `${uuid}: ${JSON.stringify(here.map(({ pod, kind, mib }) => [pod.uid, kind, mib]))}`;
    expect(wholePods.size, `${what} whole twice`).toBeLessThanOrEqual(1);
    if (wholePods.size > 0) expect(memory, `${what} whole and by memory`).toEqual([]);
    let sum = 0;
    for (const mine of Map.groupBy(memory, ({ pod }) => pod).values()) {
      const sumOf = (kind: ModelContainer['kind']): number[] =>
        mine.flatMap((one) => (one.kind === kind ? [one.mib] : []));
      sum += Math.max(
        ...sumOf('init'),
        sumOf('app').reduce((total, mib) => total + mib, 0),
      );
    }
    const total = gpus.find((one) => one.uuid === uuid)?.memoryTotalMiB ?? 0;
    const usable = total - this.agent.config.reservedPerGpuMiB;
    if (memory.length > 0) expect(sum <= usable, `${what} of ${usable} MiB`).toBe(true);
  }

  #endOne(at: number): void {
    const running = this.kubelet.pods.filter(({ active }) => active);
    const pod = running[at % Math.max(1, running.length)];
    if (pod !== undefined) this.#endPod(pod);
  }

  #endPod(pod: ModelPod): void {
    pod.active = false;
    for (let at = this.living.length - 1; at >= 0; at -= 1)
      if (this.living[at]?.pod === pod) this.living.splice(at, 1);
  }

  #otherPluginsPod(index: number): Living {
    const pod = { uid: 'other-plugin', name: 'other', containers: [app(gpuResource, 1)], active: true };
    return { pod, kind: 'app', gpu: gpus[index]?.uuid ?? '', mib: null };
  }
}

function app(resource: string, count: number): ModelContainer {
  return { name: 'app', kind: 'app', resource, count };
}

function init(resource: string, count: number): ModelContainer {
  return { name: 'init', kind: 'init', resource, count };
}
