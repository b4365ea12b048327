import { describe, expect, onTestFinished, test } from 'vitest';
import { EventQueue, type Told } from '../../src/cluster/event-queue.ts';
import { openNodeApi } from '../../src/cluster/kubernetes-node-api.ts';
import type { ApiProblem, ClusterEvent } from '../../src/cluster/node-api.ts';
import { tellEvents } from '../../src/cluster/tell-events.ts';
import { ApiServer, nodeName, refusal } from '../support/api-server.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

/** The task against an API server that is a list. */
class Scene {
  readonly queue = new EventQueue();
  readonly clock = new ManualClock();
  readonly told: { readonly atMs: number; readonly message: string }[] = [];
  /** How it answers. */
  answer: (event: ClusterEvent) => ApiProblem | null = () => null;
  asked = 0;
  opened = 0;
  readonly observed = { written: 0, failed: 0 };
  closed = 0;
  readonly #recording = recordingLog();
  readonly #stop = new AbortController();
  readonly #task: Promise<void>;

  constructor() {
    const openApi = async () => {
      this.opened += 1;
      return Promise.resolve({
        tell: async (event: ClusterEvent) => {
          this.asked += 1;
          const problem = this.answer(event);
          if (problem === null) this.told.push({ atMs: this.clock.now(), message: event.message });
          return Promise.resolve(problem);
        },
        [Symbol.asyncDispose]: async () => {
          this.closed += 1;
          return Promise.resolve();
        },
      });
    };
    const { log } = this.#recording;
    const observe = (result: 'written' | 'failed'): void => void (this.observed[result] += 1);
    this.#task = tellEvents(this.queue, { openApi, clock: this.clock, log, observe }, this.#stop.signal);
    onTestFinished(() => this.stop());
  }

  get messages(): readonly string[] {
    return this.told.map(({ message }) => message);
  }

  get warnings(): readonly string[] {
    return this.#recording.lines.map(({ msg }) => msg);
  }

  async stop(): Promise<void> {
    this.#stop.abort('SIGTERM');
    await this.#task;
  }
}

function ofNode(topic: string, message: string, also: Partial<Told> = {}): Told {
  return { about: { kind: 'node' }, type: 'Warning', reason: 'GPUUnhealthy', topic, message, ...also };
}

function ofPod(name: string, message: string): Told {
  return {
    ...ofNode(`pod/${name}`, message),
    about: { kind: 'pod', namespace: 'a', name, uid: `uid-${name}` },
  };
}

const forbidden: ApiProblem = { kind: 'refused', message: 'it is not allowed', retryAfterMs: 0 };
const unreachable: ApiProblem = { kind: 'unreachable', message: 'nobody is there', retryAfterMs: 0 };

describe('Events', () => {
  test('of several matters are all written, in their order', async () => {
    const scene = new Scene();
    for (let gpu = 0; gpu < 8; gpu += 1) scene.queue.put(ofNode(`gpu/${gpu}`, `GPU ${gpu}`));
    await scene.clock.advance(5000);
    expect(scene.messages).toEqual(Array.from({ length: 8 }, (_none, gpu) => `GPU ${gpu}`));
    expect(scene.opened).toBe(1);
    expect(scene.observed).toEqual({ written: 8, failed: 0 });
  });

  test('that are refused are counted, each attempt, and so is the one that is not', async () => {
    const scene = new Scene();
    scene.answer = () => (scene.asked < 3 ? unreachable : null);
    scene.queue.put(ofNode('gpu/0', 'GPU 0'));
    await scene.clock.advance(60_000);
    expect(scene.messages).toEqual(['GPU 0']);
    expect(scene.observed).toEqual({ written: 1, failed: 2 });
  });

  test('are five a second at most', async () => {
    const scene = new Scene();
    for (let gpu = 0; gpu < 30; gpu += 1) scene.queue.put(ofNode(`gpu/${gpu}`, `GPU ${gpu}`));
    await scene.clock.advance(2000);
    expect(scene.told.length).toBeGreaterThan(5);
    expect(scene.told.length).toBeLessThanOrEqual(11);
  });

  test('of one matter tell its newest state, every 10 s at most', async () => {
    const scene = new Scene();
    for (let second = 0; second < 30; second += 1) {
      scene.queue.put(ofNode('gpu/0', `state ${second}`));
      await scene.clock.advance(1000);
    }
    expect(scene.messages).toEqual(['state 0', 'state 9', 'state 19', 'state 29']);
    const times = scene.told.map(({ atMs }) => atMs);
    expect(times).toEqual([0, 10_000, 20_000, 30_000]);
  });

  test('may ask for more patience with their matter', async () => {
    const scene = new Scene();
    for (let minute = 0; minute < 10; minute += 1) {
      scene.queue.put(ofNode('xid/0/31', 'XID 31', { everyMs: 300_000 }));
      await scene.clock.advance(60_000);
    }
    expect(scene.told.map(({ atMs }) => atMs)).toEqual([0, 300_000, 600_000]);
  });

  test('that wait are bounded: those of pods give way, and it is said how many', async () => {
    const scene = new Scene();
    scene.answer = () => unreachable;
    scene.queue.put(ofNode('gpu/0', 'GPU 0'));
    for (let pod = 0; pod < 200; pod += 1) scene.queue.put(ofPod(`p${pod}`, `pod ${pod}`));
    await scene.clock.advance(1000);
    scene.answer = () => null;
    await scene.clock.advance(120_000);
    expect(scene.told).toHaveLength(128);
    expect(scene.messages).toContain('GPU 0');
    expect(scene.messages).toContain('pod 199');
    expect(scene.warnings).toContain('73 Events are not written: too many were waiting');
  });

  test('wait while the API server cannot be asked, which is said once', async () => {
    const scene = new Scene();
    scene.answer = () => unreachable;
    for (let gpu = 0; gpu < 4; gpu += 1) scene.queue.put(ofNode(`gpu/${gpu}`, `GPU ${gpu}`));
    await scene.clock.advance(60_000);
    // After 0, 0.5 to 1, 1 to 2 s more, and so on: whatever waits, it is one question at a time.
    expect(scene.asked).toBeLessThanOrEqual(8);
    expect(scene.warnings).toEqual(['no Event is written, trying on: nobody is there']);
    expect(scene.closed).toBe(scene.opened);
    scene.answer = () => null;
    await scene.clock.advance(120_000);
    expect(scene.messages.toSorted()).toEqual(['GPU 0', 'GPU 1', 'GPU 2', 'GPU 3']);
  });

  test('of pods that are refused keep nobody waiting, and are given up', async () => {
    const scene = new Scene();
    scene.answer = ({ about }) => (about.kind === 'pod' ? forbidden : null);
    scene.queue.put(ofPod('p', 'pod'));
    scene.queue.put(ofNode('gpu/0', 'GPU 0'));
    await scene.clock.advance(1000);
    expect(scene.messages).toEqual(['GPU 0']);
    await scene.clock.advance(3_600_000);
    expect(scene.asked).toBe(1 + 8);
    expect(scene.warnings).toEqual(['no Event is written, trying on: it is not allowed']);
  });

  test('of the node are tried until they are written', async () => {
    const scene = new Scene();
    scene.answer = () => forbidden;
    scene.queue.put(ofNode('gpu/0', 'old'));
    await scene.clock.advance(3_600_000);
    scene.queue.put(ofNode('gpu/0', 'new'));
    scene.answer = () => null;
    await scene.clock.advance(300_000);
    expect(scene.messages).toEqual(['new']);
  });

  test('leave nothing behind at the end', async () => {
    const scene = new Scene();
    scene.queue.put(ofNode('gpu/0', 'GPU 0'));
    await scene.clock.advance(1000);
    await scene.stop();
    expect(scene.clock.sleeping).toBe(0);
    expect(scene.closed).toBe(scene.opened);
  });
});

describe('an Event at the API server', () => {
  test('of a pod lies in its namespace and names its uid', async () => {
    const server = new ApiServer();
    await server.start();
    await using api = openNodeApi({ nodeName, kubeconfig: server.kubeconfig, timeoutMs: 5000 });
    const about = { kind: 'pod', namespace: 'team-a', name: 'train', uid: 'uid-7' } as const;
    const event = { about, type: 'Warning', reason: 'GPUUnhealthy', message: 'GPU 3 is unhealthy' } as const;
    const { signal } = new AbortController();
    expect(await api.tell(event, signal)).toBeNull();
    expect(await api.tell({ ...event, about: { kind: 'node' } }, signal)).toBeNull();
    // The same again renews the first.
    expect(await api.tell(event, signal)).toBeNull();
    const [ofNodeItself, ofPodItself] = [...server.events.values()];
    expect(server.events.size).toBe(2);
    expect(ofPodItself).toMatchObject({
      metadata: { namespace: 'team-a' },
      involvedObject: { kind: 'Pod', namespace: 'team-a', name: 'train', uid: 'uid-7' },
      source: { component: 'slicewise', host: nodeName },
    });
    expect(ofNodeItself).toMatchObject({
      metadata: { namespace: 'default' },
      involvedObject: { kind: 'Node', name: nodeName, uid: nodeName },
    });
    server.fault = refusal(403, 'no');
    expect(await api.tell(event, signal)).toMatchObject({
      kind: 'refused',
      message:
        'the API server does not let the agent write an Event about pod team-a/train (HTTP 403: no): it needs a ClusterRole with the verbs create and patch on events of all namespaces, as in deploy/health',
    });
  });
});
