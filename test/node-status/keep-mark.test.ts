import { describe, expect, onTestFinished, test } from 'vitest';
import { ConditionMark } from '../../src/cluster/condition-mark.ts';
import { describeCondition, type HealthCondition } from '../../src/cluster/health-condition.ts';
import { keepMark } from '../../src/cluster/keep-mark.ts';
import { openNodeApi } from '../../src/cluster/kubernetes-node-api.ts';
import type { NodeMark } from '../../src/cluster/node-mark.ts';
import { TaintMark } from '../../src/cluster/taint-mark.ts';
import { Latest } from '../../src/lib/latest.ts';
import { ApiServer, bootId, nodeName, refusal } from '../support/api-server.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { recordingLog } from '../support/recording-log.ts';
import { healthy, reboot, sick } from './gpus.ts';

const type = 'GPUUnhealthy';
const well = describeCondition([healthy(0)]);
const ill = describeCondition([sick(0)]);
const worse = describeCondition([sick(0, reboot)]);
const tenMinutes = 600_000;

/** The task against an API server over HTTP, with a clock that stands still in between. */
class Scene<T> {
  readonly server = new ApiServer();
  readonly clock = new ManualClock();
  readonly wanted = new Latest<T | null>(null);
  mark: NodeMark<T> | null = null;
  written = 0;
  readonly observed = { written: 0, failed: 0 };
  readonly #recording = recordingLog();
  readonly #stop = new AbortController();
  #calls = 0;
  #task: Promise<void> | null = null;

  get said(): readonly string[] {
    return this.#recording.lines.map(({ msg }) => msg);
  }

  get condition(): Readonly<Record<string, string>> | undefined {
    return this.server.conditions.get(type);
  }

  async start(
    make: (
      deps: ConstructorParameters<typeof ConditionMark>[0] & ConstructorParameters<typeof TaintMark>[0],
    ) => NodeMark<T>,
    ownBootId: string | null = bootId,
  ): Promise<this> {
    await this.server.start();
    const { kubeconfig } = this.server;
    const openApi = async () => Promise.resolve(openNodeApi({ nodeName, kubeconfig, timeoutMs: 300 }));
    const mark = make({ nodeName, openApi, bootId: ownBootId });
    const counted: NodeMark<T> = {
      name: mark.name,
      write: async (value, signal) => this.#count(mark.write(value, signal)),
      remove: async (signal) => mark.remove(signal),
      [Symbol.asyncDispose]: async () => mark[Symbol.asyncDispose](),
    };
    this.mark = mark;
    const { log } = this.#recording;
    const deps = {
      nodeName,
      clock: this.clock,
      log,
      onWritten: () => void (this.written += 1),
      observe: (result: 'written' | 'failed') => void (this.observed[result] += 1),
    };
    this.#task = keepMark(this.wanted, counted, deps, this.#stop.signal);
    onTestFinished(() => this.stop());
    return this;
  }

  async stop(): Promise<void> {
    this.#stop.abort('SIGTERM');
    await this.#task;
    await this.mark?.[Symbol.asyncDispose]();
  }

  /** Moves time on, and lets every request that this brings about come to its end. */
  async pass(ms: number, stepMs = Math.min(ms, 1000)): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      await this.clock.advance(stepMs);
      do await settle();
      while (this.#calls > 0);
    }
  }

  async #count<Value>(call: Promise<Value>): Promise<Value> {
    this.#calls += 1;
    return call.finally(() => (this.#calls -= 1));
  }
}

async function keepCondition(ownBootId?: string | null): Promise<Scene<HealthCondition>> {
  return new Scene<HealthCondition>().start((deps) => new ConditionMark(deps), ownBootId);
}

async function keepTaint(): Promise<Scene<boolean>> {
  return new Scene<boolean>().start((deps) => new TaintMark(deps));
}

describe("the node's condition", () => {
  test('is written when it changes, with the time of its change, beside those of others', async () => {
    const scene = await keepCondition();
    await scene.pass(10_000);
    expect(scene.server.asked).toEqual([]);
    scene.wanted.set(well);
    await scene.pass(2000);
    expect(scene.condition).toMatchObject({ ...well, type });
    expect(scene.server.asked.at(-1)).toMatchObject({
      method: 'PATCH',
      path: `/api/v1/nodes/${nodeName}/status`,
      contentType: 'application/strategic-merge-patch+json',
    });
    expect(Object.keys(scene.server.patches.at(-1) ?? {})).toEqual(['status']);
    const before = '2026-01-02T03:04:05Z';
    scene.server.conditions.set(type, { ...scene.condition, lastTransitionTime: before });
    scene.wanted.set(ill);
    await scene.pass(2000);
    expect(scene.condition).toMatchObject({ ...ill });
    expect(scene.condition?.['lastTransitionTime']).not.toBe(before);
    // Still unhealthy, for another reason: that is no transition.
    scene.server.conditions.set(type, { ...scene.condition, lastTransitionTime: before });
    scene.wanted.set(worse);
    await scene.pass(2000);
    expect(scene.condition).toMatchObject({ ...worse, lastTransitionTime: before });
    expect([...scene.server.conditions.keys()]).toEqual(['Ready', type]);
    expect(scene.said).toEqual(["the node's condition GPUUnhealthy is kept"]);
  });

  test('that an agent before has written is taken over as it is', async () => {
    const scene = await keepCondition();
    const there = { ...ill, type, lastTransitionTime: '2026-01-02T03:04:05Z' } as Readonly<
      Record<string, string>
    >;
    scene.server.conditions.set(type, there);
    scene.wanted.set(ill);
    await scene.pass(2000);
    expect(scene.server.patches).toEqual([]);
    expect(scene.condition).toEqual(there);
    expect(scene.written).toBe(1);
    expect(scene.observed).toEqual({ written: 0, failed: 0 });
  });

  test('is looked at rarely, and put back when it was taken away', async () => {
    const scene = await keepCondition();
    scene.wanted.set(ill);
    await scene.pass(2000);
    scene.server.asked.length = 0;
    scene.server.conditions.delete(type);
    await scene.pass(60_000);
    expect(scene.server.asked).toEqual([]);
    await scene.pass(tenMinutes);
    expect(scene.condition).toMatchObject({ ...ill });
    expect(scene.server.asked.length).toBeLessThanOrEqual(4);
  });

  test('is not fought over: three times it is put back, then not before a GPU changes', async () => {
    const scene = await keepCondition();
    scene.wanted.set(ill);
    await scene.pass(2000);
    for (let minutes = 0; minutes < 60; minutes += 1) {
      scene.server.conditions.delete(type);
      await scene.pass(60_000, 10_000);
    }
    expect(scene.server.patches).toHaveLength(1 + 3);
    expect(scene.observed.written).toBe(1 + 3);
    expect(scene.said.at(-1)).toContain('is changed by somebody else again and again');
    scene.wanted.set(worse);
    await scene.pass(2000);
    expect(scene.condition).toMatchObject({ ...worse });
    expect(scene.said.at(-1)).toBe("the node's condition GPUUnhealthy is kept");
  });

  test('of GPUs that turn bad and good every 50 ms is written once a second at most', async () => {
    const scene = await keepCondition();
    for (let count = 0; count < 200; count += 1) {
      scene.wanted.set({ ...(ill ?? never()), message: String(count) });
      await scene.pass(50);
    }
    expect(scene.server.patches.length).toBeGreaterThan(5);
    expect(scene.server.patches.length).toBeLessThanOrEqual(12);
    await scene.pass(2000);
    expect(scene.condition).toMatchObject({ message: '199' });
  });

  test.each([
    [
      'refused',
      refusal(403, 'nodes "gpu-1" is forbidden'),
      'get and patch on nodes/status, as in deploy/health',
    ],
    ['failed', refusal(503, 'etcd is gone'), 'etcd is gone'],
    ['unreachable', 'hang-up', 'cannot be asked'],
  ] as const)(
    'that cannot be written is said once and tried later and later: %s',
    async (_kind, fault, words) => {
      const scene = await keepCondition();
      scene.server.fault = fault;
      scene.wanted.set(ill);
      await scene.pass(8000, 50);
      expect(scene.server.asked.length).toBeGreaterThanOrEqual(3);
      expect(scene.server.asked.length).toBeLessThanOrEqual(7);
      expect(scene.said).toHaveLength(1);
      expect(scene.said[0]).toContain("the node's condition GPUUnhealthy is not written, trying on: ");
      expect(scene.said[0]).toContain(words);
      scene.server.fault = null;
      await scene.pass(60_000);
      expect(scene.condition).toMatchObject({ ...ill });
    },
  );

  test("of another machine's node is not written", async () => {
    const scene = await keepCondition('another');
    scene.wanted.set(ill);
    await scene.pass(5000);
    expect(scene.server.patches).toEqual([]);
    expect(scene.said).toEqual([expect.stringContaining('node gpu-1 is another machine')]);
  });

  test('can be taken away, once', async () => {
    const scene = await keepCondition();
    scene.wanted.set(well);
    await scene.pass(2000);
    const { signal } = new AbortController();
    expect(await scene.mark?.remove(signal)).toEqual({ ok: true, changed: true });
    expect([...scene.server.conditions.keys()]).toEqual(['Ready']);
    expect(await scene.mark?.remove(signal)).toEqual({ ok: true, changed: false });
  });

  test.each(['waiting', 'between two looks', 'in a pause after a failure', 'in a request'])(
    'leaves nothing behind at the end: %s',
    async (moment) => {
      const scene = await keepCondition();
      if (moment === 'in a pause after a failure') scene.server.fault = refusal(403, 'no');
      if (moment === 'in a request') scene.server.fault = 'silent';
      if (moment !== 'waiting') scene.wanted.set(ill);
      if (moment === 'in a request') await scene.clock.advance(150);
      else await scene.pass(1000);
      await scene.stop();
      expect(scene.clock.sleeping).toBe(0);
      expect(scene.said.filter((msg) => msg.includes('cannot be asked'))).toEqual([]);
    },
  );
});

describe("the node's taint", () => {
  const own = { key: 'slicewise.io/gpu-unhealthy', effect: 'NoSchedule' };
  const others = [{ key: 'a', effect: 'NoExecute', value: 'b', timeAdded: '2026-01-02T03:04:05Z' }];

  test('comes and goes, and those of others stay as they are', async () => {
    const scene = await keepTaint();
    scene.server.taints = others;
    scene.wanted.set(true);
    await scene.pass(2000);
    expect(scene.server.taints).toEqual([...others, own]);
    scene.wanted.set(false);
    await scene.pass(2000);
    expect(scene.server.taints).toEqual(others);
    expect(scene.server.asked.filter(({ method }) => method === 'PATCH')).toHaveLength(2);
  });

  test('is written with the version that was read: what came in between is not lost', async () => {
    const scene = await keepTaint();
    const { signal } = new AbortController();
    const api = openNodeApi({ nodeName, kubeconfig: scene.server.kubeconfig, timeoutMs: 5000 });
    onTestFinished(async () => api[Symbol.asyncDispose]());
    const read = await api.readTaints(signal);
    const version = read.ok ? read.value.version : '';
    scene.server.taints = others;
    scene.server.setLabels({ changed: 'meanwhile' });
    expect(await api.writeTaints([own], version, signal)).toMatchObject({
      ok: false,
      problem: { kind: 'conflict' },
    });
    expect(scene.server.taints).toEqual(others);
  });

  test('needs rights of its own, which are named', async () => {
    const scene = await keepTaint();
    scene.server.fault = refusal(403, 'no');
    scene.wanted.set(true);
    await scene.pass(1000);
    expect(scene.said[0]).toContain('the verbs get and patch on nodes, as in deploy/health/taint.yaml');
  });
});

function never(): never {
  throw new Error('a sick GPU has a condition');
}
