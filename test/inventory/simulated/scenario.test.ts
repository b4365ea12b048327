import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OperatorError } from '../../../src/lib/errors.ts';
import type { Snapshot } from '../../../src/inventory/gpu.ts';
import { gpuModels, type GpuModel } from '../../../src/inventory/simulated/models.ts';
import { nodeAt } from '../../../src/inventory/simulated/node-at.ts';
import { presetNames } from '../../../src/inventory/simulated/scenario-schema.ts';
import { parseScenario, presetScenario } from '../../../src/inventory/simulated/scenario.ts';
import { toSnapshot } from '../../../src/inventory/simulated/to-snapshot.ts';

function read(text: string, elapsedMs: number = 0): Snapshot {
  const scenario = parseScenario(text, 'test.yaml', 'test');
  return toSnapshot(scenario, nodeAt(scenario, elapsedMs).gpus);
}

function readPreset(preset: (typeof presetNames)[number]): Snapshot {
  const scenario = presetScenario(preset);
  return toSnapshot(scenario, scenario.gpus);
}

function messageOf(text: string): string {
  try {
    parseScenario(text, 'test.yaml', 'test');
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('presets', () => {
  test.each([
    ['a100x8', 8, 40960, 12],
    ['h100x8-nvlink', 8, 81559, 18],
    ['v100x4', 4, 32768, 0],
    ['v100x8-cube-mesh', 8, 32768, 0],
    ['v100x16-cube-mesh', 16, 32768, 0],
    ['v100x16-nvswitch', 16, 32768, 6],
    ['t4x1', 1, 15360, null],
    ['a100x2-mig-mixed', 2, 40960, 12],
    ['h100x8-mig', 8, 81559, 18],
    ['mixed-models', 4, 81920, 0],
    ['none', 0, null, null],
  ] as const)('%s', (preset, count, memoryTotalMiB, nvswitchLinks) => {
    const { gpus, unreadable } = readPreset(preset);
    expect(gpus).toHaveLength(count);
    expect(unreadable).toEqual([]);
    expect(gpus[0]?.memoryTotalMiB ?? null).toBe(memoryTotalMiB);
    expect(gpus[0]?.links[0]?.nvswitchLinks ?? null).toBe(nvswitchLinks);
    expect(gpus.map(({ index }) => index)).toEqual(gpus.map((_gpu, at) => at));
  });

  test.each(presetNames)('%s is sound: everything is there once, and links go both ways alike', (preset) => {
    const { gpus } = readPreset(preset);
    for (const values of [
      gpus.map(({ uuid }) => uuid),
      gpus.map(({ pciBusId }) => pciBusId),
      gpus.map(({ minor }) => minor),
      gpus.flatMap(({ migInstances }) => migInstances.map(({ uuid }) => uuid)),
      gpus.flatMap(({ migInstances }) => migInstances.flatMap(({ capabilityNodes }) => capabilityNodes)),
    ])
      expect(new Set<unknown>(values).size).toBe(values.length);
    for (const gpu of gpus) {
      expect(gpu.links.map(({ toUuid }) => toUuid)).toEqual(
        gpus.filter((other) => other !== gpu).map(({ uuid }) => uuid),
      );
      for (const link of gpu.links) {
        const back = gpus
          .find(({ uuid }) => uuid === link.toUuid)
          ?.links.find(({ toUuid }) => toUuid === gpu.uuid);
        expect(back).toEqual({ ...link, toUuid: gpu.uuid });
      }
    }
  });

  test('the four V100 use all of their NVLinks but those to the other half of the machine', () => {
    const sums = readPreset('v100x4').gpus.map(({ links }) =>
      links.reduce((sum, { nvlinks }) => sum + nvlinks, 0),
    );
    expect(sums).toEqual([4, 4, 5, 5]);
  });

  test.each([
    ['v100x8-cube-mesh', [6, 6, 6, 6, 6, 6, 6, 6], 3],
    ['v100x16-cube-mesh', Array.from({ length: 16 }, () => 6), 11],
  ] as const)('%s: six NVLinks each, and no path to some', (preset, wires, strangers) => {
    const { gpus } = readPreset(preset);
    expect(gpus.map(({ links }) => links.reduce((sum, { nvlinks }) => sum + nvlinks, 0))).toEqual(wires);
    for (const { links } of gpus) {
      expect(links.filter(({ nvlinks }) => nvlinks === 0)).toHaveLength(strangers);
      expect(new Set(links.map(({ nvlinks }) => nvlinks))).toEqual(new Set([0, 1, 2]));
    }
  });

  test('two boards of a cube mesh are joined by PCIe alone', () => {
    const { gpus } = readPreset('v100x16-cube-mesh');
    const second = new Set(gpus.slice(8).map(({ uuid }) => uuid));
    const across = gpus.slice(0, 8).flatMap(({ links }) => links.filter(({ toUuid }) => second.has(toUuid)));
    expect(across).toHaveLength(64);
    for (const link of across) expect(link).toMatchObject({ nvlinks: 0, pcie: 'across-numa-nodes' });
    expect(gpus.map(({ numaNode }) => numaNode).join('')).toBe('0000111122223333');
  });

  test('a DGX-2 has a PCIe switch for every two GPUs and one above every two of these', () => {
    const [first] = readPreset('v100x16-nvswitch').gpus;
    expect(first?.links.map(({ pcie }) => pcie)).toEqual([
      'one-switch',
      ...Array.from({ length: 2 }, () => 'several-switches'),
      ...Array.from({ length: 4 }, () => 'same-numa-node'),
      ...Array.from({ length: 8 }, () => 'across-numa-nodes'),
    ]);
  });

  test('MIG instances are numbered as the driver numbers them', () => {
    const [mixed] = readPreset('a100x2-mig-mixed').gpus;
    const shown = mixed?.migInstances.map(({ gpuInstanceId, profile, memoryMiB, capabilityNodes }) => [
      gpuInstanceId,
      profile,
      memoryMiB,
      ...capabilityNodes,
    ]);
    expect(mixed?.mig).toEqual({ current: true, pending: true });
    expect(shown).toEqual([
      [1, '3g.20gb', 20096, '/dev/nvidia-caps/nvidia-cap12', '/dev/nvidia-caps/nvidia-cap13'],
      [3, '2g.10gb', 9984, '/dev/nvidia-caps/nvidia-cap30', '/dev/nvidia-caps/nvidia-cap31'],
      [7, '1g.5gb', 4864, '/dev/nvidia-caps/nvidia-cap66', '/dev/nvidia-caps/nvidia-cap67'],
      [8, '1g.5gb', 4864, '/dev/nvidia-caps/nvidia-cap75', '/dev/nvidia-caps/nvidia-cap76'],
    ]);
  });

  test.each(Object.entries<GpuModel>(gpuModels))('%s: MIG profiles fit into the memory', (_name, model) => {
    for (const { memoryMiB, memorySlices } of Object.values(model.migProfiles)) {
      expect(memoryMiB).toBeLessThanOrEqual(model.memoryTotalMiB - model.memoryReservedMiB);
      expect(memoryMiB).toBeLessThanOrEqual((model.memoryTotalMiB / 8) * memorySlices);
    }
    expect(model.memoryReservedMiB).toBeLessThan(model.memoryTotalMiB);
  });
});

describe('a file', () => {
  test('UUIDs depend on the name and the position alone', () => {
    const uuids = (text: string): string[] => read(text).gpus.map(({ uuid }) => uuid);
    const two = uuids('gpus: [{model: t4, count: 2}]');
    expect(new Set(two).size).toBe(2);
    expect(uuids('name: test\ngpus: [{model: l4, memoryUsedMiB: 5}, {model: t4}]')).toEqual(two);
    expect(uuids('name: other\ngpus: [{model: t4, count: 2}]')).not.toEqual(two);
    expect(two[0]).toMatch(/^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  test('a preset with overrides', () => {
    const { gpus, driverVersion } = read(`
preset: a100x8
driverVersion: "1.2.3"
overrides:
  - { gpu: 1, memoryReservedMiB: 4096, numaNode: null }
  - { gpu: 2, mig: [3g.20gb, 3g.20gb] }
  - { gpu: 3, state: lost }
  - { gpu: 4, model: t4 }
  - { gpu: 5, state: absent }
`);
    expect(driverVersion).toBe('1.2.3');
    expect(gpus).toHaveLength(7);
    expect(gpus[0]).toMatchObject({ memoryReservedMiB: 620, numaNode: 3, error: null });
    expect(gpus[1]).toMatchObject({ memoryReservedMiB: 4096, numaNode: null });
    expect(gpus[2]?.migInstances).toHaveLength(2);
    expect(gpus[3]).toMatchObject({ error: 'GPU is lost', memoryUsedMiB: null, links: [] });
    expect(gpus[4]).toMatchObject({ name: 'Tesla T4', mig: null, memoryTotalMiB: 15360 });
    expect(gpus[5]).toMatchObject({ index: 5, minor: 6 });
  });

  test('GPUs of its own do not take over the wiring of the preset', () => {
    const { gpus, cudaVersion } = read('preset: v100x4\ngpus: [{model: v100-sxm2-32gb, count: 2}]');
    expect(cudaVersion).toBe('13.0');
    expect(gpus.map(({ links }) => links.map(({ nvlinks, pcie }) => [nvlinks, pcie]))).toEqual([
      [[0, 'same-numa-node']],
      [[0, 'same-numa-node']],
    ]);
  });

  test('JSON is read too', () => {
    expect(read(JSON.stringify({ gpus: [{ model: 'l4' }], timeline: [] })).gpus).toHaveLength(1);
  });

  test.each([
    ['gpus: [{model: t4, mig: off}]', 'gpus[0].mig: "off": the Tesla T4 cannot do MIG; leave the key out'],
    [
      'gpus: [{model: a100-sxm4-40gb, mig: [1g.10gb, 1g.5g]}]',
      'gpus[0].mig[1]: "1g.5g" is not allowed; allowed: a profile, for example 1g.5gb, 1c.2g.10gb or 1g.5gb+me; a name',
    ],
    [
      'gpus: [{model: a100-sxm4-40gb, mig: [3g.20gb, 3g.20gb, 1g.5gb]}]',
      'gpus[0].mig: ["3g.20gb","3g.20gb","1g.5gb"]: needs 7 compute and 9 memory slices; a GPU has 7 and 8',
    ],
    [
      'gpus: [{model: t4, memoryReservedMiB: 15361}]',
      'gpus[0]: reserved 15361 + used 0 MiB are more than the total 15360 MiB',
    ],
    [
      'gpus: [{model: t4, count: 2, minor: 1}]',
      'gpus[0].minor: 1: one value cannot serve count 2; use "overrides"',
    ],
    ['gpus: [{model: t4, count: 64}, {model: t4}]', 'gpus: 65 GPUs; allowed: at most 64'],
    [
      'preset: t4x1\ntimeline: [{at: 1s, do: lose, gpu: 1}]',
      'timeline[0].gpu: 1 is not allowed; allowed: 0 to 0',
    ],
    ['preset: none\noverrides: [{gpu: 0}]', 'overrides[0].gpu: 0 is not allowed; there is no GPU'],
    ['preset: v100x4\nlinks: [{between: [1, 1]}]', 'links[0].between: [1,1]: a GPU has no link to itself'],
    [
      'gpus: [{model: t4, pciBusId: "00000000:12:00.0"}, {model: t4}]',
      'gpus: GPU 0 and GPU 1 have the pciBusId 00000000:12:00.0',
    ],
    [
      'preset: a100x9',
      'preset: "a100x9" is not allowed; allowed: a100x8, h100x8-nvlink, v100x4, v100x8-cube-mesh, v100x16-cube-mesh, v100x16-nvswitch, t4x1, a100x2-mig-mixed, h100x8-mig, mixed-models, none',
    ],
    ['gpus: [{}]', 'gpus[0].model: is missing; allowed: a10, '],
    ['preset: none\nuuid: 3', 'uuid: 3: unknown key; allowed: name, preset, '],
    [
      'preset: t4x1\ntimeline: [{at: 5, do: lose, gpu: 0}]',
      'timeline[0].at: 5 is not allowed; allowed: a text',
    ],
    [
      'preset: t4x1\ntimeline: [{at: 5d, do: lose, gpu: 0}]',
      'timeline[0].at: "5d" is not allowed; allowed: a number with a unit: 500ms, 5s, 2m, 1h',
    ],
    [
      'preset: t4x1\ntimeline: [{at: 5s, do: explode}]',
      'timeline[0].do: "explode" is not allowed; allowed: lose, ',
    ],
    [
      'preset: t4x1\ntimeline: [{at: 5s, do: change, gpu: 0, uuid: x}]',
      'timeline[0].uuid: "x": unknown key; allowed: at, gpu, do, name, ',
    ],
    ['a: [', '(the whole): cannot be read as YAML: '],
    ['a: 1\na: 2', '(the whole): cannot be read as YAML: Map keys must be unique at line 2'],
    ['', '(the whole): null is not allowed; allowed: a mapping of keys to values'],
  ])('%s', (text, message) => {
    expect(messageOf(text)).toContain(`The scenario test.yaml has one error:\n  ${message}`);
  });

  test('all errors are told at once', () => {
    const message = messageOf('nope: 1\ngpus:\n  - { model: x, minor: -1 }\n  - { bad: 2 }\ntimeline: 3\n');
    expect(message.split('\n').map((line) => line.split(': ')[0])).toEqual([
      'The scenario test.yaml has 6 errors:',
      '  gpus[0].model',
      '  gpus[0].minor',
      '  gpus[1].model',
      '  gpus[1].bad',
      '  timeline',
      '  nope',
    ]);
  });

  test('whatever the text, the only error is one for the operator', () => {
    const key = fc.constantFrom(
      'name',
      'preset',
      'gpus',
      'overrides',
      'links',
      'timeline',
      'model',
      'at',
      'do',
      'gpu',
      'mig',
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom('t4', 'lose', 'off', '5s', 'none', 0, 1, -1, null),
        tie('list'),
        tie('map'),
      ),
      list: fc.array(tie('tree'), { maxLength: 3 }),
      map: fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
    }));
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(...Array.from('{}[]:,-&*!|>\'"#\n a1')) }),
      tree.map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(text, (given) => {
        const error = catchError(() => parseScenario(given, 'f', 'f'));
        expect(error ?? new OperatorError('none', '')).toBeInstanceOf(OperatorError);
      }),
      { numRuns: 500 },
    );
  });
});

function catchError(run: () => unknown): unknown {
  try {
    run();
    return null;
  } catch (error) {
    return error;
  }
}

test('events apply at their time, in the order of their times', () => {
  const text = `
gpus: [{model: a100-sxm4-40gb, count: 2}, {model: t4, state: absent}]
timeline:
  - { at: 30s, do: restore, gpu: 1 }
  - { at: 5s, do: lose, gpu: 0, reason: XID 79 }
  - { at: 5s, do: unreadable, gpu: 1 }
  - { at: 6s, do: add, gpu: 2 }
  - { at: 40s, do: remove, gpu: 0 }
  - { at: 50s, do: change, gpu: 1, mig: [7g.40gb], memoryUsedMiB: 7 }
`;
  const states = (seconds: number): unknown[] => {
    const { gpus, unreadable } = read(text, seconds * 1000);
    return [
      ...gpus.map(({ minor, index, error }) => [minor, index, error]),
      ...unreadable.map((entry) => ['?', entry.index]),
    ];
  };
  expect(states(4.999)).toEqual([
    [0, 0, null],
    [1, 1, null],
  ]);
  expect(states(5)).toEqual([
    [0, 0, 'XID 79'],
    ['?', 1],
  ]);
  expect(states(6)).toEqual([
    [0, 0, 'XID 79'],
    [2, 2, null],
    ['?', 1],
  ]);
  expect(states(30)).toEqual([
    [0, 0, 'XID 79'],
    [1, 1, null],
    [2, 2, null],
  ]);
  expect(states(40)).toEqual([
    [1, 0, null],
    [2, 1, null],
  ]);
  expect(read(text, 50_000).gpus[0]).toMatchObject({
    memoryUsedMiB: 7,
    mig: { current: true },
    migInstances: [{ profile: '7g.40gb' }],
  });
});
