import { describe, expect, test } from 'vitest';
import type { GpuHealth, GpuNote } from '../../src/cluster/gpu-health.ts';
import { type GpuHolder, healthNews, nodeEvent, podEvents } from '../../src/cluster/health-news.ts';
import { healthy, reboot, reset, sick, uuidOf } from './gpus.ts';

const fault: GpuNote = {
  key: 'xid-31',
  kind: 'application-error',
  what: 'XID 31 (GPU memory page fault)',
  remedy: 'Nothing.',
  count: 1,
};
const hot: GpuNote = {
  key: 'thermal',
  kind: 'degraded',
  what: 'it is too hot',
  remedy: 'Cool it.',
  count: 1,
};
const noting = (...notes: readonly GpuNote[]): GpuHealth => ({ ...healthy(0), notes });

function messagesOf(before: readonly GpuHealth[] | null, after: readonly GpuHealth[]): readonly string[] {
  return healthNews(before, after)
    .map(nodeEvent)
    .map(({ reason, message }) => `${reason}: ${message}`);
}

const name = `GPU 0 (${uuidOf(0)})`;
const isReset = `GPUUnhealthy: ${name} is unhealthy: XID 95 (memory error, not contained). Reset it.`;

describe('Events of the node', () => {
  test.each<[string, readonly GpuHealth[] | null, readonly GpuHealth[], readonly string[]]>([
    ['of a GPU that turns bad', [healthy(0), healthy(1)], [sick(0), healthy(1)], [isReset]],
    ['of one that is bad at the start', null, [sick(0)], [isReset]],
    ['of none that is well at the start', null, [healthy(0)], []],
    ['of a GPU that is well again', [sick(0)], [healthy(0)], [`GPUHealthy: ${name} is healthy again`]],
    ['of nothing while nothing changes', [sick(0)], [sick(0)], []],
    [
      'of another fault',
      [sick(0)],
      [sick(0, reboot)],
      [`GPUUnhealthy: ${name} is unhealthy: XID 79 (the GPU has fallen off the bus). Reboot the node.`],
    ],
    [
      'of several GPUs each',
      [healthy(0), healthy(1)],
      [sick(0), sick(1)],
      [isReset, expect.stringContaining(`GPU 1 (${uuidOf(1)}) is unhealthy`) as string],
    ],
    [
      'of an XID of a program',
      [healthy(0)],
      [noting(fault)],
      [`GPUApplicationError: ${name}: XID 31 (GPU memory page fault). Nothing. The GPU stays in use.`],
    ],
    [
      'of the same once more',
      [noting(fault)],
      [noting({ ...fault, count: 2 })],
      [expect.stringContaining('GPUApplicationError') as string],
    ],
    ['of none that was there at the start', null, [noting(fault)], []],
    ['of none when only time has passed', [noting(fault)], [noting(fault)], []],
    [
      'of a GPU to be looked after, at the start too',
      null,
      [noting(hot)],
      [`GPUDegraded: ${name} stays in use, and has to be looked after: it is too hot. Cool it.`],
    ],
    ['of that once', [noting(hot)], [noting({ ...hot, count: 2 })], []],
    ['of no GPU that has gone', [sick(0)], [], []],
  ])('tell %s', (_title, before, after, said) => {
    expect(messagesOf(before, after)).toEqual(said);
  });
});

function holder(pod: string, container = 'main', gpu = uuidOf(0)): GpuHolder {
  return { gpu, namespace: 'team', pod, container, podUid: `uid-${pod}` };
}

function toldPods(after: GpuHealth, holders: readonly GpuHolder[]): readonly string[] {
  return healthNews([healthy(0)], [after])
    .flatMap((news) => podEvents(news, holders))
    .map(({ about, message }) =>
      about.kind === 'pod' ? `${about.namespace}/${about.name}: ${message}` : '',
    );
}

describe('Events of pods', () => {
  test('go to those that have the GPU, each once, with what becomes of them', () => {
    const holders = [holder('a'), holder('b', 'main', uuidOf(1)), holder('a', 'side')];
    expect(toldPods(sick(0), holders)).toEqual([
      `team/a: ${name}, which containers main, side have, is unhealthy: XID 95 (memory error, not contained). Reset it. The pod is left running; no new one gets this GPU.`,
    ]);
  });

  test('tell of a fault of a program that it may be another one where pods share', () => {
    expect(toldPods(noting(fault), [holder('a')])[0]).not.toContain('Other pods');
    expect(toldPods(noting(fault), [holder('a'), holder('b')])[0]).toContain('Other pods share the GPU');
  });

  test('are none of what is no business of theirs', () => {
    expect(toldPods(noting(hot), [holder('a')])).toEqual([]);
  });

  test('are sixteen at most', () => {
    const holders = Array.from({ length: 100 }, (_none, at) => holder(`p${at}`));
    expect(toldPods(sick(0), holders)).toHaveLength(16);
  });
});

test('the end of a fault is of the same matter as the fault, other news are of others', () => {
  const topics = [
    ...healthNews([healthy(0)], [{ ...sick(0, reset), notes: [fault] }]),
    ...healthNews([sick(0)], [healthy(0)]),
  ].map((news) => nodeEvent(news).topic);
  expect(topics[0]).toBe(topics[2]);
  expect(topics[1]).not.toBe(topics[0]);
});
