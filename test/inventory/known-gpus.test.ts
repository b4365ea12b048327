import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Gpu, MigInstance, Snapshot, UnreadableGpu } from '../../src/inventory/gpu.ts';
import { rememberLost } from '../../src/inventory/known-gpus.ts';

function gpu(n: number, index: number = n, pciBusId: string | null = `00000000:0${n}:00.0`): Gpu {
  return {
    uuid: `GPU-${n}`,
    index,
    minor: n,
    pciBusId,
    name: 'Tesla T4',
    architecture: 'turing',
    computeCapability: '7.5',
    memoryTotalMiB: 15360,
    memoryReservedMiB: 393,
    memoryUsedMiB: 100 + n,
    numaNode: 0,
    pciClass: '030200',
    isVirtual: false,
    fabric: null,
    mig: null,
    migInstances: [],
    links: [],
    error: null,
  };
}

function unreadable(
  n: number,
  index: number = n,
  pciBusId: string | null = `00000000:0${n}:00.0`,
): UnreadableGpu {
  return { index, pciBusId, error: `lost ${n}` };
}

function snapshot(gpus: readonly Gpu[], lost: readonly UnreadableGpu[] = []): Snapshot {
  return { driver: 'smi', driverVersion: null, cudaVersion: null, gpus, unreadable: lost };
}

test('a GPU that falls off the bus keeps its identity, and what is true of it no longer is dropped', () => {
  const result = rememberLost(
    snapshot([gpu(1), gpu(2), gpu(3)]),
    snapshot([gpu(1), gpu(3)], [unreadable(2)]),
  );
  expect(result.unreadable).toEqual([]);
  expect(result.gpus).toEqual([gpu(1), { ...gpu(2), error: 'lost 2', memoryUsedMiB: null }, gpu(3)]);
});

test('it keeps it through any number of snapshots, and comes back as itself', () => {
  const sick = snapshot([gpu(1)], [unreadable(2)]);
  let previous = rememberLost(null, snapshot([gpu(1), gpu(2)]));
  for (let round = 0; round < 3; round += 1) previous = rememberLost(previous, sick);
  expect(previous.gpus.map(({ uuid, error }) => [uuid, error])).toEqual([
    ['GPU-1', null],
    ['GPU-2', 'lost 2'],
  ]);
  expect(rememberLost(previous, snapshot([gpu(1), gpu(2)])).gpus).toEqual([gpu(1), gpu(2)]);
});

describe('the place', () => {
  test.each([
    ['same address, other index', gpu(2, 2), unreadable(2, 1), 'GPU-2'],
    ['same index, no address in the entry', gpu(2, 1), unreadable(2, 1, null), 'GPU-2'],
    ['same index, no address known before', gpu(2, 1, null), unreadable(2, 1), 'GPU-2'],
    ['same index, other address', gpu(2, 1), unreadable(3, 1), null],
    ['other index, no address', gpu(2, 2), unreadable(2, 1, null), null],
  ])('%s', (_what, before, entry, uuid) => {
    const result = rememberLost(snapshot([before]), snapshot([], [entry]));
    expect(result.gpus.map((found) => found.uuid)).toEqual(uuid === null ? [] : [uuid]);
    expect(result.unreadable).toEqual(uuid === null ? [entry] : []);
    expect(result.gpus.every(({ index }) => index === entry.index)).toBe(true);
  });

  test('an address counts more than an index', () => {
    const before = snapshot([gpu(1, 0, null), gpu(2, 1)]);
    const result = rememberLost(before, snapshot([], [unreadable(2, 0), unreadable(9, 1, null)]));
    expect(result.gpus.map(({ uuid, index }) => [uuid, index])).toEqual([['GPU-2', 0]]);
    expect(result.unreadable).toEqual([unreadable(9, 1, null)]);
  });
});

describe('an index says nothing once indexes have shifted', () => {
  test.each([
    ['another GPU is gone', [gpu(1, 0), gpu(2, 1), gpu(3, 2)], [gpu(1, 0)], unreadable(3, 1, null)],
    ['another GPU moved', [gpu(1, 0), gpu(2, 1), gpu(3, 2)], [gpu(3, 0), gpu(4, 2)], unreadable(1, 1, null)],
  ])('%s', (_what, before, after, entry) => {
    const current = snapshot(after, [entry]);
    expect(rememberLost(snapshot(before), current)).toEqual(current);
  });
});

test('a GPU that answers is never taken for the lost one', () => {
  const current = snapshot([gpu(2, 0)], [unreadable(2, 1)]);
  expect(rememberLost(snapshot([gpu(2, 1)]), current)).toEqual(current);
});

describe('a GPU that answers with an error', () => {
  const instance = (uuid: string, gpuInstanceId: number, computeInstanceId: number = 0): MigInstance => ({
    uuid,
    gpuInstanceId,
    computeInstanceId,
    profile: '1g.10gb',
    memoryMiB: 9984,
    gpuSlices: 1,
    computeSlices: 1,
    engines: null,
    capabilityNodes: [`/dev/nvidia-caps/nvidia-cap${gpuInstanceId}`],
  });
  const inMig: Gpu = {
    ...gpu(1),
    mig: { current: true, pending: true },
    migInstances: [instance('MIG-a', 7), instance('MIG-b', 8), instance('MIG-c', 9, 1)],
  };
  const sick = { error: 'Unknown Error', memoryUsedMiB: null };

  test('and says nothing else is what it was, but for what changes by the minute', () => {
    const mute = { ...gpu(1), name: '', minor: null, memoryTotalMiB: null, numaNode: null, ...sick };
    expect(rememberLost(snapshot([inMig]), snapshot([mute])).gpus).toEqual([{ ...inMig, ...sick }]);
  });

  test('keeps what it is, and not what changes by the minute', () => {
    const fabric = { clusterUuid: 'a', cliqueId: 1 };
    const before = { ...gpu(1), fabric };
    const silent = {
      ...before,
      name: '',
      architecture: null,
      computeCapability: null,
      memoryTotalMiB: null,
      memoryUsedMiB: null,
      pciClass: null,
      isVirtual: null,
      fabric: null,
      error: 'GPU is lost',
    };
    const [now] = rememberLost(snapshot([before]), snapshot([silent])).gpus;
    expect(now).toEqual({ ...before, memoryUsedMiB: null, error: 'GPU is lost' });
  });

  test('keeps the MIG instances that it does not tell, unless others are in their place', () => {
    const some = {
      ...inMig,
      ...sick,
      migInstances: [instance('MIG-d', 8), instance('MIG-c', 9, 1), instance('MIG-e', 10)],
    };
    const [found] = rememberLost(snapshot([inMig]), snapshot([some])).gpus;
    expect(found?.migInstances.map(({ uuid }) => uuid)).toEqual(['MIG-a', 'MIG-d', 'MIG-c', 'MIG-e']);
    expect(found?.error).toBe('Unknown Error');
  });

  test('loses them when it says that it is not in MIG mode, or answers well', () => {
    const off = { ...inMig, ...sick, mig: { current: false, pending: false }, migInstances: [] };
    expect(rememberLost(snapshot([inMig]), snapshot([off])).gpus).toEqual([off]);
    const well = { ...inMig, migInstances: [instance('MIG-a', 7)] };
    expect(rememberLost(snapshot([inMig]), snapshot([well])).gpus).toEqual([well]);
  });
});

describe('for any two snapshots', () => {
  const position = fc.integer({ min: 1, max: 6 });
  const address = (n: number) => fc.constantFrom(`00000000:0${n}:00.0`, null);
  const anyGpu = fc
    .tuple(position, position)
    .chain(([n, index]) => address(n).map((pciBusId) => gpu(n, index, pciBusId)));
  const anyEntry = fc
    .tuple(position, position)
    .chain(([n, index]) => address(n).map((pciBusId) => unreadable(n, index, pciBusId)));
  const anySnapshot = fc
    .tuple(
      fc.uniqueArray(anyGpu, { selector: ({ uuid }) => uuid, maxLength: 6 }),
      fc.uniqueArray(anyEntry, { selector: ({ index }) => index, maxLength: 6 }),
    )
    .map(([gpus, lost]) =>
      snapshot(
        gpus.toSorted((left, right) => left.index - right.index),
        lost,
      ),
    );

  test('nothing is lost, invented, doubled or touched that answers', () => {
    fc.assert(
      fc.property(anySnapshot, anySnapshot, (previous, current) => {
        const result = rememberLost(previous, current);
        const uuids = result.gpus.map(({ uuid }) => uuid);
        const known = new Set([...previous.gpus, ...current.gpus].map(({ uuid }) => uuid));
        expect(new Set(uuids).size).toBe(uuids.length);
        expect(uuids.every((uuid) => known.has(uuid))).toBe(true);
        expect(result.gpus).toEqual(expect.arrayContaining([...current.gpus]));
        expect(current.unreadable).toEqual(expect.arrayContaining([...result.unreadable]));
        expect(result.gpus.length + result.unreadable.length).toBe(
          current.gpus.length + current.unreadable.length,
        );
        const back = result.gpus.filter(({ uuid }) => !current.gpus.some((other) => other.uuid === uuid));
        expect(back.every(({ error }) => error !== null)).toBe(true);
        expect(result.gpus.map(({ index }) => index)).toEqual(
          result.gpus.map(({ index }) => index).toSorted((left, right) => left - right),
        );
      }),
    );
  });

  test('asking twice changes nothing, and without a past nothing is known', () => {
    fc.assert(
      fc.property(anySnapshot, anySnapshot, (previous, current) => {
        const once = rememberLost(previous, current);
        expect(rememberLost(once, current)).toEqual(once);
        expect(rememberLost(null, current)).toBe(current);
      }),
    );
  });
});
