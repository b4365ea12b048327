import { expect, it } from 'vitest';
import { constants } from '../../../src/inventory/nvml/constants.ts';
import { noInstance, type ToldEvent } from '../../../src/inventory/nvml/event-set.ts';
import { changesMig, toIncident, type WatchedGpu } from '../../../src/inventory/nvml/told-event.ts';

const whole: WatchedGpu = {
  index: 3,
  uuid: 'GPU-a',
  pciBusId: '00000000:43:00.0',
  isInMigMode: false,
  error: null,
};
const cut: WatchedGpu = { ...whole, isInMigMode: true };
const xid79: ToldEvent = {
  gpu: 3,
  type: constants.nvmlEventTypeXidCriticalError,
  data: 79,
  gpuInstanceId: noInstance,
  computeInstanceId: noInstance,
};
const ofInstance = { gpuInstanceId: 2, computeInstanceId: 0 };
const nowhere = { gpuInstanceId: null, computeInstanceId: null };

it.each<[string, Partial<ToldEvent>, WatchedGpu | null, object]>([
  ['a GPU', {}, whole, { gpu: 'GPU-a', pciBusId: whole.pciBusId, ...nowhere }],
  ['an instance of a GPU in MIG mode', ofInstance, cut, { gpu: 'GPU-a', ...ofInstance }],
  [
    'a whole GPU instance',
    { gpuInstanceId: 2 },
    cut,
    { gpu: 'GPU-a', gpuInstanceId: 2, computeInstanceId: null },
  ],
  ['the GPU where the GPU instance is missing', { computeInstanceId: 0 }, cut, { gpu: 'GPU-a', ...nowhere }],
  ['the GPU where it is not in MIG mode', ofInstance, whole, { gpu: 'GPU-a', ...nowhere }],
  ['no GPU where it is not known', {}, null, { gpu: null, pciBusId: null, ...nowhere }],
  ['no GPU where an instance of an unknown one is named', ofInstance, null, { gpu: null, ...nowhere }],
])('an XID is about %s', (_, given, gpu, expected) => {
  const told = toIncident({ ...xid79, ...given }, gpu);
  expect(told).toMatchObject({ kind: 'xid', xid: 79, count: 1, source: 'nvml', ...expected });
});

it.each([
  ['a code that no catalogue has', { data: 4_000_000 }, { kind: 'xid', xid: 4_000_000 }],
  ['an error of memory', { type: constants.nvmlEventTypeDoubleBitEccError }, { kind: 'uncorrectable-ecc' }],
  ['a GPU given up', { type: constants.nvmlEventTypeGpuUnavailableError }, { kind: 'unavailable' }],
  [
    'another recovery action',
    { type: constants.nvmlEventTypeGpuRecoveryAction },
    { kind: 'recovery-action-changed' },
  ],
] as const)('%s is told as it is', (_, given, expected) => {
  expect(toIncident({ ...xid79, ...given }, whole)).toMatchObject(expected);
});

it.each([
  ['a type that no header has', { type: 0x4000_0000 }],
  ['a type of several bits', { type: 0xa }],
  ['no type', { type: 0 }],
  ['another MIG configuration', { type: constants.nvmlEventMigConfigChange }],
] as const)('%s befalls no GPU', (_, given) => {
  const event: ToldEvent = { ...xid79, ...given };
  expect(toIncident(event, whole)).toBeNull();
  expect(changesMig(event)).toBe(given.type === constants.nvmlEventMigConfigChange);
});
