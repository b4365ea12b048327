import { describe, expect, test } from 'vitest';
import type { Snapshot } from '../../../src/inventory/gpu.ts';
import type { HostAnswer, HostEnd, HostProcess } from '../../../src/inventory/nvml/host-process.ts';
import type { HostNews, HostRequest, HostStep } from '../../../src/inventory/nvml/protocol.ts';
import { Supervisor } from '../../../src/inventory/nvml/supervisor.ts';
import type { Clock } from '../../../src/lib/clock.ts';
import { silentLog } from '../../../src/lib/log.ts';

const minute = 60_000;
const deadlines = { initMs: 120_000, firstTouchMs: 60_000, callMs: 10_000 };
const empty: Snapshot = { driver: 'nvml', driverVersion: null, cudaVersion: null, gpus: [], unreadable: [] };
const good: HostAnswer = { kind: 'answer', reply: empty };

describe('a helper that cannot be killed', () => {
  test('is given up, and no other is started for five minutes', async () => {
    await using node = setUp([
      { mortal: false, answers: [good, 'silence'] },
      { mortal: true, answers: [good, good] },
    ]);
    await expect(node.supervisor.snapshot()).rejects.toMatchObject({
      message: expect.stringContaining('10 s'),
    });
    expect(node.clock.now()).toBe(10_000);
    for (const wait of [0, 4 * minute]) {
      node.clock.advance(wait);
      await expect(node.supervisor.snapshot()).rejects.toMatchObject({
        code: 'driver-failed',
        message: expect.stringContaining('stuck in a call to the NVIDIA kernel driver'),
      });
    }
    expect(node.started()).toBe(1);
    expect(node.released).toEqual([1]);
    node.clock.advance(minute);
    expect(await node.supervisor.snapshot()).toBe(empty);
    expect(node.started()).toBe(2);
  });

  test('does not hold up disposing', async () => {
    const node = setUp([{ mortal: false, answers: [good, 'silence'] }]);
    const outcome = node.supervisor.snapshot().catch((thrown: unknown) => thrown);
    node.clock.frozen = true;
    await node.silent.promise;
    node.clock.frozen = false;
    await node.supervisor[Symbol.asyncDispose]();
    expect(await outcome).toMatchObject({ name: 'AbortError' });
    expect(node.released).toEqual([1]);
  });
});

describe('restarts', () => {
  test('come after a pause that grows, and starts anew after a good reading', async () => {
    const crash = { mortal: true, answers: [good, 'crash'] as const };
    await using node = setUp([crash, crash, crash, { mortal: true, answers: [good, good, 'crash'] }, crash]);
    const starts: number[] = [];
    const outcomes: string[] = [];
    for (let reading = 0; reading < 6; reading += 1) {
      outcomes.push(
        await node.supervisor.snapshot().then(
          () => 'good',
          () => 'bad',
        ),
      );
      starts.push(node.clock.now());
    }
    expect(outcomes).toEqual(['bad', 'bad', 'bad', 'good', 'bad', 'bad']);
    const pauses = starts.slice(1).map((at, row) => at - (starts[row] ?? 0));
    const bounds = [
      [50, 100],
      [100, 200],
      [200, 400],
      [0, 0],
      [50, 100],
    ];
    expect(
      pauses.every((pause, row) => pause >= (bounds[row]?.[0] ?? 0) && pause <= (bounds[row]?.[1] ?? 0)),
    ).toBe(true);
    expect(node.lost).toHaveLength(5);
  });

  test('every step moves the deadline: eight slow GPUs are not one hung driver', async () => {
    const steps = Array.from({ length: 8 }, (_, gpu): HostStep => ({ at: 'gpu', gpu, first: true }));
    await using node = setUp([{ mortal: true, answers: [good, { steps, everyMs: 50_000, last: good }] }]);
    expect(await node.supervisor.snapshot()).toBe(empty);
    expect(node.clock.now()).toBe(8 * 50_000);
  });
});

describe('a thread of the helper that hangs', () => {
  const stuck: HostNews = { kind: 'stuck', reason: 'a call for events did not come back' };
  const helper = (...answers: readonly Answer[]): Script => ({ mortal: true, answers: [good, ...answers] });
  /** Of each snapshot, why events were not to be followed. */
  const unwatched = (asked: readonly HostRequest[]): (string | null)[] =>
    asked.flatMap((request) => (request.ask === 'snapshot' ? [request.unwatched] : []));

  test('costs the helper at once while it is idle, and events a pause that doubles', async () => {
    await using node = setUp([helper(good), helper(good, good), helper(good, good), helper(good)]);
    await node.supervisor.snapshot();
    node.tell(stuck);
    expect(node.lost).toEqual([expect.stringContaining('did not come back. The helper process was ended')]);
    await node.supervisor.snapshot();
    node.clock.advance(5 * minute);
    await node.supervisor.snapshot();
    expect(unwatched(node.asked)).toEqual([null, expect.stringMatching(/not followed for 5 min/), null]);
    node.tell(stuck);
    await node.supervisor.snapshot();
    node.clock.advance(10 * minute);
    await node.supervisor.snapshot();
    expect(unwatched(node.asked).slice(3)).toEqual([expect.stringMatching(/for 10 min/), null]);
    expect(node.started()).toBe(3);
  });

  test('does not cost the answer that is under way', async () => {
    const slow = { steps: [{ at: 'count' as const }], everyMs: 1_000, last: good };
    await using node = setUp([helper(slow), helper(good)]);
    const answer = node.supervisor.snapshot();
    while (node.asked.at(-1)?.ask !== 'snapshot') await new Promise((resolve) => setImmediate(resolve));
    node.tell(stuck);
    expect(node.lost).toEqual([]);
    expect(await answer).toBe(empty);
    expect(node.lost).toHaveLength(1);
    expect(await node.supervisor.snapshot()).toBe(empty);
    expect(node.started()).toBe(2);
  });
});

describe('news', () => {
  const changed: HostNews = { kind: 'changed', reason: 'MIG' };

  test('are passed on, and not those of a helper that was lost', async () => {
    await using node = setUp([{ mortal: true, answers: [good, good, 'silence'] }]);
    await node.supervisor.snapshot();
    node.tell(changed);
    await expect(node.supervisor.snapshot()).rejects.toMatchObject({ code: 'driver-failed' });
    node.tell(changed);
    expect(node.news).toEqual([changed]);
  });
});

describe('signs', () => {
  test('start no helper', async () => {
    await using node = setUp([{ mortal: true, answers: [good, good, 'silence'] }]);
    await expect(node.supervisor.signs()).rejects.toMatchObject({ code: 'driver-failed' });
    await node.supervisor.snapshot();
    await expect(node.supervisor.signs()).rejects.toThrow('did not answer within 10 s');
    await expect(node.supervisor.signs()).rejects.toThrow('No NVML helper process is at hand');
    expect(node.started()).toBe(1);
  });
});

describe('a node without a driver', () => {
  const none: HostAnswer = { kind: 'failure', failure: { code: 'no-driver', message: 'no library' } };
  const bare = { mortal: true, answers: [none] };

  test('takes no further helper while nothing is there, but one after five minutes', async () => {
    await using at = setUp([bare, bare, bare]);
    at.node.absent = true;
    const started: number[] = [];
    for (const wait of [0, 10_000, 4 * minute, minute, 10_000]) {
      at.clock.advance(wait);
      await expect(at.supervisor.snapshot()).rejects.toMatchObject({
        code: 'no-driver',
        message: 'no library',
      });
      started.push(at.started());
    }
    expect(started).toEqual([1, 1, 1, 2, 2]);
  });

  test('is looked at with a helper as soon as there is something', async () => {
    await using at = setUp([bare, bare, { mortal: true, answers: [good, good] }]);
    await expect(at.supervisor.snapshot()).rejects.toThrow('no library');
    await expect(at.supervisor.snapshot()).rejects.toThrow('no library');
    expect(await at.supervisor.snapshot()).toBe(empty);
    expect(at.started()).toBe(3);
  });
});

type Answer =
  HostAnswer | 'silence' | 'crash' | { steps: readonly HostStep[]; everyMs: number; last: HostAnswer };
interface Script {
  /** Whether it dies when it is killed. */
  readonly mortal: boolean;
  readonly answers: readonly Answer[];
}

/** Hosts that follow a script, and a clock that jumps to the next sleeper when everyone sleeps. */
function setUp(scripts: readonly Script[]) {
  const clock = new JumpingClock();
  const node = { absent: false };
  const released: number[] = [];
  const lost: string[] = [];
  const news: HostNews[] = [];
  const asked: HostRequest[] = [];
  let tell: (news: HostNews) => void = () => undefined;
  let started = 0;
  const silent = Promise.withResolvers<void>();
  const startHost = (): HostProcess => {
    const pid = (started += 1);
    const script = scripts[pid - 1] ?? { mortal: true, answers: [] };
    const end = Promise.withResolvers<HostEnd>();
    let turn = 0;
    return {
      pid,
      ended: end.promise,
      async ask(request: HostRequest, onStep) {
        asked.push(request);
        const answer = script.answers[turn] ?? 'silence';
        turn += 1;
        if (answer === 'crash') end.resolve({ exitCode: null, signal: 'SIGSEGV', startError: null });
        if (answer === 'silence') silent.resolve();
        if (answer === 'crash' || answer === 'silence') return await new Promise<never>(() => {});
        if (!('steps' in answer)) return answer;
        for (const step of answer.steps) {
          onStep(step);
          await clock.sleep(answer.everyMs);
        }
        return answer.last;
      },
      listen: (onNews) => void (tell = onNews),
      kill: () => {
        if (script.mortal) end.resolve({ exitCode: null, signal: 'SIGKILL', startError: null });
      },
      release: () => void released.push(pid),
    };
  };
  const supervisor = new Supervisor({
    log: silentLog(),
    clock,
    deadlines,
    startHost,
    isAbsent: () => node.absent,
    onLost: (reason) => void lost.push(reason),
    onNews: (told) => void news.push(told),
  });
  return {
    node,
    supervisor,
    clock,
    released,
    lost,
    news,
    asked,
    tell: (told: HostNews) => tell(told),
    started: () => started,
    silent,
    [Symbol.asyncDispose]: () => supervisor[Symbol.asyncDispose](),
  };
}

class JumpingClock implements Clock {
  frozen = false;
  #now = 0;
  readonly #sleepers = new Set<{ atMs: number; wake: () => void }>();

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper = { atMs: this.#now + ms, wake: resolve };
    this.#sleepers.add(sleeper);
    const abort = (): void => {
      this.#sleepers.delete(sleeper);
      reject(new DOMException('The wait was aborted', 'AbortError'));
    };
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    setImmediate(() => this.#jump());
    return promise;
  }

  #jump(): void {
    if (this.frozen) return;
    const [next] = [...this.#sleepers].sort((a, b) => a.atMs - b.atMs);
    if (next === undefined) return;
    this.#sleepers.delete(next);
    this.#now = Math.max(this.#now, next.atMs);
    next.wake();
  }
}
