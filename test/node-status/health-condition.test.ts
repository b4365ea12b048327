import { expect, test } from 'vitest';
import type { GpuHealth } from '../../src/cluster/gpu-health.ts';
import { describeCondition, messageMax } from '../../src/cluster/health-condition.ts';
import { changeTaints, wantsTaint } from '../../src/cluster/health-taint.ts';
import { healthy, reboot, reset, sick, uuidOf } from './gpus.ts';

const range = (count: number): readonly number[] => [...Array(count).keys()];
const ofInstance = { ...reset, isOfWholeGpu: false };

test('the condition says nothing where no GPU is known', () => {
  expect(describeCondition([])).toBeNull();
});

test.each<[string, readonly GpuHealth[], object]>([
  [
    'that the only GPU is well',
    [healthy(0)],
    { status: 'False', reason: 'AllGPUsHealthy', message: 'the GPU is healthy' },
  ],
  [
    'that all are well',
    range(8).map(healthy),
    { status: 'False', reason: 'AllGPUsHealthy', message: 'all 8 GPUs are healthy' },
  ],
  [
    'which one is not, why, and what to do',
    [healthy(0), sick(3)],
    {
      status: 'True',
      reason: 'GPUResetRequired',
      message: `GPU 3 (${uuidOf(3)}): XID 95 (memory error, not contained). Reset it.`,
    },
  ],
  [
    'of several the class of the worst, first',
    [sick(1), sick(2, reboot, reset)],
    {
      status: 'True',
      reason: 'NodeRebootRequired',
      message: `GPU 2 (${uuidOf(2)}): XID 79 (the GPU has fallen off the bus) (and 1 more). Reboot the node. GPU 1 (${uuidOf(1)}): XID 95 (memory error, not contained). Reset it.`,
    },
  ],
  [
    'of one that the driver does not name any more, its UUID',
    [{ ...sick(1), index: null }],
    { message: `GPU ${uuidOf(1)}: XID 95 (memory error, not contained). Reset it.` },
  ],
  [
    'of a fault of one MIG instance that it is one',
    [sick(1, ofInstance)],
    {
      status: 'True',
      message: `GPU 1 (${uuidOf(1)}): of a MIG instance: XID 95 (memory error, not contained). Reset it.`,
    },
  ],
])('the condition says %s', (_title, gpus, said) => {
  expect(describeCondition(gpus)).toMatchObject(said);
});

const messageOf = (count: number): string =>
  describeCondition(range(count).map((index) => sick(index, index === 5 ? reboot : reset)))?.message ?? '';

test.each([1, 8, 16, 17, 64, 500])('the message of %i sick GPUs is bounded', (count) => {
  expect(messageOf(count).length).toBeLessThanOrEqual(messageMax);
});

test.each([6, 16, 17, 64, 500])('the worst of %i sick GPUs is told first and in full', (count) => {
  expect(messageOf(count)).toContain(
    `GPU 5 (${uuidOf(5)}): XID 79 (the GPU has fallen off the bus). Reboot the node.`,
  );
  expect(messageOf(count).indexOf('GPU 5')).toBe(0);
});

test('16 sick GPUs are named by index and UUID, 64 by index', () => {
  for (const index of range(16)) expect(messageOf(16)).toContain(uuidOf(index));
  for (const index of range(64)) expect(messageOf(64)).toMatch(new RegExp(`\\b${index}\\b`));
});

test('a node is tainted when no GPU of it is of use, and only then', () => {
  expect(wantsTaint([])).toBeNull();
  expect(wantsTaint([healthy(0)])).toBe(false);
  expect(wantsTaint([healthy(0), sick(1)])).toBe(false);
  expect(wantsTaint([sick(0), sick(1)])).toBe(true);
  // The other instances of its GPU are given out.
  expect(wantsTaint([sick(0), sick(1, ofInstance)])).toBe(false);
});

test('taints of others stay, those of our key with another effect too', () => {
  const own = { key: 'slicewise.io/gpu-unhealthy', effect: 'NoSchedule' };
  const others = [
    { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' },
    { key: 'slicewise.io/gpu-unhealthy', effect: 'NoExecute', value: 'by hand' },
  ];
  expect(changeTaints(others, true)).toEqual([...others, own]);
  expect(changeTaints([own, ...others], true)).toBeNull();
  expect(changeTaints([own, ...others], false)).toEqual(others);
  expect(changeTaints(others, false)).toBeNull();
});
