import { describe, expect, onTestFinished, test } from 'vitest';
import type { Counts } from '../../src/cluster/allocatable.ts';
import { keepAllocatable } from '../../src/cluster/keep-allocatable.ts';
import type { NodeStatusApi } from '../../src/cluster/node-api.ts';
import { openNodeApi } from '../../src/cluster/kubernetes-node-api.ts';
import { Latest } from '../../src/lib/latest.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { recordingLog, type LoggedLine } from '../support/recording-log.ts';
import { ApiServer, bootId, nodeName, refusal } from '../support/api-server.ts';

const memory = 'nvidia.com/gpu-memory';
const gpu = 'nvidia.com/gpu';

/** The task against an API server over HTTP, with a clock that stands still in between. */
class Scene {
  readonly server = new ApiServer();
  readonly clock = new ManualClock();
  readonly counts = new Latest<Counts>(new Map());
  readonly results: string[] = [];
  readonly lines: readonly LoggedLine[];
  /** What the kubelet says that it would give out; `same`: what the lists say. */
  kubelet: 'same' | 'silent' | 'no-socket' | Readonly<Record<string, number>> = 'same';
  /** Why there is no way to the API server; `null` while there is one. */
  noAccess: string | null = null;
  opened = 0;
  readonly #calls = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();
  readonly #log = recordingLog();
  #task: Promise<void> | null = null;

  constructor() {
    this.lines = this.#log.lines;
  }

  /** The lines that a person should see. */
  get said(): readonly string[] {
    return this.lines.filter(({ level }) => level !== 'debug').map(({ msg }) => msg);
  }

  async start({ ownBootId = bootId }: { readonly ownBootId?: string | null } = {}): Promise<this> {
    await this.server.start();
    const deps = {
      nodeName,
      openApi: async () => this.#openApi(),
      askKubelet: async (): Promise<Counts | null> => {
        const { kubelet } = this;
        if (kubelet === 'silent') throw new Error('the kubelet does not answer');
        if (kubelet === 'no-socket') return null;
        return Promise.resolve(kubelet === 'same' ? this.counts.value : new Map(Object.entries(kubelet)));
      },
      bootId: ownBootId,
      clock: this.clock,
      log: this.#log.log,
      observe: (result: string) => void this.results.push(result),
    };
    this.#task = keepAllocatable(this.counts, deps, this.#stop.signal);
    onTestFinished(() => this.stop());
    return this;
  }

  /** Resolves when the task has ended, which it does without an error. */
  async stop(): Promise<void> {
    this.#stop.abort('SIGTERM');
    await this.#task;
  }

  setNode(capacity: Readonly<Record<string, string>>, allocatable: Readonly<Record<string, string>>): void {
    Object.assign(this.server.capacity, capacity);
    Object.assign(this.server.allocatable, allocatable);
  }

  list(healthy: Readonly<Record<string, number>>): void {
    this.counts.set(new Map(Object.entries(healthy)));
  }

  /** Moves time on, and lets every request that this brings about come to its end. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      await this.clock.advance(10);
      await this.#untilIdle();
    }
  }

  /** Until the task sleeps or waits for lists again. */
  async #untilIdle(): Promise<void> {
    await settle();
    while (this.#calls.size > 0) {
      await Promise.all(this.#calls);
      await settle();
    }
  }

  async #openApi(): Promise<NodeStatusApi> {
    this.opened += 1;
    if (this.noAccess !== null) throw new Error(this.noAccess);
    const api = openNodeApi({ nodeName, kubeconfig: this.server.kubeconfig, timeoutMs: 300 });
    const track = async <T>(call: Promise<T>): Promise<T> => {
      this.#calls.add(call);
      return call.finally(() => this.#calls.delete(call));
    };
    return Promise.resolve({
      read: async (signal) => track(api.read(signal)),
      write: async (change, signal) => track(api.write(change, signal)),
      [Symbol.asyncDispose]: async () => {
        await api[Symbol.asyncDispose]();
      },
    });
  }
}

async function startScene(options?: Parameters<Scene['start']>[0]): Promise<Scene> {
  return new Scene().start(options);
}

describe("the node's allocatable", () => {
  test('follows the lists, one write for what changes together', async () => {
    const scene = await startScene();
    scene.setNode({ [memory]: '160', [gpu]: '2' }, { [memory]: '160', [gpu]: '0' });
    await scene.pass(500);
    expect(scene.server.asked).toEqual([]);
    scene.list({ [memory]: 140, [gpu]: 0 });
    await scene.pass(10);
    scene.list({ [memory]: 81, [gpu]: 1 });
    await scene.pass(300);
    expect(scene.server.allocatable).toEqual({ cpu: '8', [memory]: '81', [gpu]: '1' });
    expect(scene.server.patches).toEqual([{ status: { allocatable: { [memory]: '81', [gpu]: '1' } } }]);
    scene.list({ [memory]: 70, [gpu]: 1 });
    await scene.pass(300);
    expect(scene.server.patches.slice(1)).toEqual([{ status: { allocatable: { [memory]: '70' } } }]);
    expect(scene.results).toEqual(['written', 'written']);
    expect(scene.said).toEqual(["the node's allocatable is written ahead of the kubelet"]);
  });

  test('is not written where it is right, and looked at for a kubelet period only', async () => {
    const scene = await startScene();
    scene.setNode({ [gpu]: '4' }, { [gpu]: '4' });
    scene.list({ [gpu]: 4 });
    await scene.pass(30_000);
    expect(scene.server.asked.map(({ method }) => method)).toEqual(['GET', 'GET', 'GET', 'GET']);
    expect(scene.results).toEqual([]);
  });

  test('is left alone while no list is served', async () => {
    const scene = await startScene();
    scene.setNode({ [gpu]: '4' }, { [gpu]: '4' });
    scene.list({ [gpu]: 3 });
    await scene.pass(300);
    scene.list({});
    scene.server.allocatable[gpu] = '4';
    await scene.pass(20_000);
    expect(scene.server.patches).toHaveLength(1);
  });

  test('is asked for at most five times a second', async () => {
    const scene = await startScene();
    scene.setNode({ [memory]: '1000' }, { [memory]: '1000' });
    for (let units = 900; units > 800; units -= 1) {
      scene.list({ [memory]: units });
      await scene.pass(20);
    }
    const { length } = scene.server.patches;
    expect(length).toBeGreaterThan(5);
    expect(length).toBeLessThanOrEqual(11);
    await scene.pass(300);
    expect(scene.server.allocatable[memory]).toBe('801');
  });

  test('is written again when the kubelet sends an older figure, and a kubelet of another opinion is not fought', async () => {
    const scene = await startScene();
    scene.setNode({ [memory]: '160' }, { [memory]: '160' });
    scene.list({ [memory]: 140 });
    await scene.pass(500);
    for (let seconds = 0; seconds < 40; seconds += 1) {
      scene.server.allocatable[memory] = '160';
      await scene.pass(1000);
    }
    expect(scene.server.patches).toHaveLength(1 + 3);
    expect(scene.server.allocatable[memory]).toBe('160');
    scene.list({ [memory]: 130 });
    await scene.pass(300);
    expect(scene.server.allocatable[memory]).toBe('130');
  });
});

describe('what is added', () => {
  test('waits for the kubelet to have the list, what is taken away does not', async () => {
    const scene = await startScene();
    scene.setNode({ [memory]: '640', [gpu]: '8' }, { [memory]: '87', [gpu]: '8' });
    scene.kubelet = { [memory]: 100, [gpu]: 8 };
    scene.list({ [memory]: 120, [gpu]: 7 });
    await scene.pass(100);
    expect(scene.server.allocatable).toMatchObject({ [memory]: '100', [gpu]: '7' });
    scene.kubelet = { [memory]: 120, [gpu]: 7 };
    await scene.pass(500);
    expect(scene.server.allocatable).toMatchObject({ [memory]: '120', [gpu]: '7' });
  });

  test('is not waited for longer than a few seconds', async () => {
    const scene = await startScene();
    scene.setNode({ [gpu]: '8' }, { [gpu]: '7' });
    scene.kubelet = { [gpu]: 7 };
    scene.list({ [gpu]: 8 });
    await scene.pass(60_000);
    expect(scene.server.asked.length).toBeLessThan(25);
    expect(scene.server.patches).toEqual([]);
  });

  test.each([
    ['silent', 'more devices are left for the kubelet to report: the kubelet does not answer'],
    [
      'no-socket',
      'more devices are left for the kubelet to report: it has no pod resources socket to be asked by',
    ],
  ] as const)('is left to a kubelet that cannot be asked: %s', async (kubelet, line) => {
    const scene = await startScene();
    scene.setNode({ [memory]: '640', [gpu]: '8' }, { [memory]: '87', [gpu]: '8' });
    scene.kubelet = kubelet;
    scene.list({ [memory]: 120, [gpu]: 7 });
    await scene.pass(5000);
    expect(scene.server.patches).toEqual([{ status: { allocatable: { [gpu]: '7' } } }]);
    expect(scene.said.filter((msg) => msg.startsWith('more devices'))).toEqual([line]);
  });
});

describe('what goes wrong', () => {
  test.each([
    ['refused', refusal(403, 'nodes "gpu-1" is forbidden')],
    ['no-node', refusal(404, 'nodes "gpu-1" not found')],
    ['conflict', refusal(409, 'the object has been modified')],
    ['throttled', refusal(429, 'too many requests')],
    ['failed', refusal(503, 'etcd is gone')],
    ['unreachable', 'hang-up'],
    ['unreachable', 'silent'],
  ] as const)('is said once and tried again later and later: %s', async (kind, fault) => {
    const scene = await startScene();
    scene.setNode({ [gpu]: '4' }, { [gpu]: '4' });
    scene.server.fault = fault;
    scene.list({ [gpu]: 3 });
    await scene.pass(8000);
    // After 0, 0.25 to 0.5, 0.5 to 1, 1 to 2 and 2 to 4 s more, and so on.
    expect(scene.server.asked.length).toBeGreaterThanOrEqual(4);
    expect(scene.server.asked.length).toBeLessThanOrEqual(6);
    expect(scene.said).toHaveLength(1);
    expect(scene.said[0]).toMatch(
      /^the node's allocatable is left to the kubelet, which is up to 10 s later: /,
    );
    expect(new Set(scene.results)).toEqual(new Set([kind]));
    scene.server.fault = null;
    await scene.pass(20_000);
    expect(scene.server.allocatable[gpu]).toBe('3');
    expect(scene.said.slice(1)).toEqual(["the node's allocatable is written ahead of the kubelet"]);
  });

  test('a busy API server is left alone for as long as it wants', async () => {
    const scene = await startScene();
    scene.setNode({ [gpu]: '4' }, { [gpu]: '4' });
    scene.server.fault = refusal(429, 'later', { 'retry-after': '30' });
    scene.list({ [gpu]: 3 });
    await scene.pass(29_000);
    expect(scene.server.asked).toHaveLength(1);
    scene.server.fault = null;
    await scene.pass(2000);
    expect(scene.server.allocatable[gpu]).toBe('3');
  });

  test('it may be the way to the API server, which is sought anew each time', async () => {
    const scene = await startScene();
    scene.setNode({ [gpu]: '4' }, { [gpu]: '4' });
    scene.noAccess = 'No way to the API server';
    scene.list({ [gpu]: 3 });
    await scene.pass(3000);
    expect(scene.opened).toBeGreaterThan(1);
    expect(scene.said).toEqual([expect.stringContaining('up to 10 s later: No way to the API server')]);
    expect(scene.results).toContain('no-access');
    scene.noAccess = null;
    await scene.pass(10_000);
    expect(scene.server.allocatable[gpu]).toBe('3');
  });

  test("it may be another machine's node, which is not written", async () => {
    const scene = await startScene({ ownBootId: 'another' });
    scene.setNode({ [gpu]: '4' }, { [gpu]: '4' });
    scene.list({ [gpu]: 3 });
    await scene.pass(5000);
    expect(scene.server.patches).toEqual([]);
    expect(scene.said).toEqual([expect.stringContaining('node gpu-1 is another machine')]);
    expect(new Set(scene.results)).toEqual(new Set(['other-machine']));
  });

  test('without a boot id of its own it writes all the same', async () => {
    const scene = await startScene({ ownBootId: null });
    scene.setNode({ [gpu]: '4' }, { [gpu]: '4' });
    scene.list({ [gpu]: 3 });
    await scene.pass(300);
    expect(scene.server.allocatable[gpu]).toBe('3');
  });
});

describe('the end', () => {
  test.each(['waiting for lists', 'between two looks', 'in a pause after a failure', 'in a request'])(
    'leaves nothing behind: %s',
    async (moment) => {
      const scene = await startScene();
      scene.setNode({ [gpu]: '4' }, { [gpu]: '4' });
      if (moment === 'in a pause after a failure') scene.server.fault = refusal(403, 'no');
      if (moment === 'in a request') scene.server.fault = 'silent';
      if (moment !== 'waiting for lists') scene.list({ [gpu]: 3 });
      if (moment === 'in a request') await scene.clock.advance(0);
      else await scene.pass(300);
      await scene.stop();
      expect(scene.clock.sleeping).toBe(0);
      expect(scene.said.filter((msg) => msg.includes('cannot be asked'))).toEqual([]);
    },
  );
});
