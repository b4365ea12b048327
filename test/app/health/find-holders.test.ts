import { expect, test } from 'vitest';
import { encodeRecord } from '../../../src/allocation/record.ts';
import { joinHolders } from '../../../src/app/health/find-holders.ts';
import type { CheckpointEntry } from '../../../src/kubelet/checkpoint.ts';
import type { ContainerDevices } from '../../../src/kubelet/contract.ts';

const gpu = 'nvidia.com/gpu';
const memory = 'nvidia.com/gpu-memory';
const node = {
  memoryResource: memory,
  known: new Set(['GPU-a', 'GPU-b']),
  gpuOfMig: new Map([['MIG-1', 'GPU-b']]),
};

function listed(pod: string, deviceIds: readonly string[], resourceName = gpu): ContainerDevices {
  return { namespace: 'team', pod, container: 'main', resourceName, deviceIds };
}

function booked(
  podUid: string,
  deviceIds: readonly string[],
  also: Partial<CheckpointEntry> = {},
): CheckpointEntry {
  return { podUid, container: 'main', resource: gpu, deviceIds, record: null, ...also };
}

function holder(pod: string, held: string): object {
  return { gpu: held, namespace: 'team', pod, container: 'main', podUid: `uid-${pod}` };
}

test.each<[string, readonly ContainerDevices[], readonly CheckpointEntry[], readonly object[]]>([
  ['one GPU', [listed('p', ['GPU-a'])], [booked('uid-p', ['GPU-a'])], [holder('p', 'GPU-a')]],
  [
    'several, in other orders',
    [listed('p', ['GPU-b', 'GPU-a'])],
    [booked('uid-p', ['GPU-a', 'GPU-b'])],
    [holder('p', 'GPU-a'), holder('p', 'GPU-b')],
  ],
  [
    'several, listed in rows of their own',
    [listed('p', ['GPU-b']), listed('p', ['GPU-a'])],
    [booked('uid-p', ['GPU-a', 'GPU-b'])],
    [holder('p', 'GPU-a'), holder('p', 'GPU-b')],
  ],
  [
    'a MIG instance and a time slice, by their GPU',
    [listed('p', ['MIG-1']), listed('q', ['GPU-a::3'])],
    [booked('uid-p', ['MIG-1']), booked('uid-q', ['GPU-a::3'])],
    [holder('p', 'GPU-b'), holder('q', 'GPU-a')],
  ],
  [
    'memory, by the record of the answer',
    [listed('p', ['m0', 'm1'], memory)],
    [
      booked('uid-p', ['m1', 'm0'], {
        resource: memory,
        record: encodeRecord({ version: 1, gpus: [{ uuid: 'GPU-b', mib: 2048 }] }),
      }),
    ],
    [holder('p', 'GPU-b')],
  ],
  [
    'none for what two pods have booked, as one of them has ended and nobody knows which',
    [listed('p', ['GPU-a'])],
    [booked('uid-old', ['GPU-a']), booked('uid-p', ['GPU-a'])],
    [],
  ],
  ['none for what is booked and not listed', [], [booked('uid-p', ['GPU-a'])], []],
  ['none for what is listed and not booked yet', [listed('p', ['GPU-a'])], [], []],
])('holders: %s', (_title, list, books, holders) => {
  expect(joinHolders(list, books, node)).toEqual(holders);
});
