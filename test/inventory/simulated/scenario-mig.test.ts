import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Gpu } from '../../../src/inventory/gpu.ts';
import { nodeAt } from '../../../src/inventory/simulated/node-at.ts';
import { parseScenario, presetScenario } from '../../../src/inventory/simulated/scenario.ts';
import { toSnapshot } from '../../../src/inventory/simulated/to-snapshot.ts';
import { describeError } from '../../../src/lib/errors.ts';

/** The first GPU of a scenario at a moment. */
function readGpu(text: string, seconds: number = 0): Gpu {
  const scenario = parseScenario(text, 'test.yaml', 'test');
  const [gpu] = toSnapshot(scenario, nodeAt(scenario, seconds * 1000).gpus).gpus;
  if (gpu === undefined) throw new Error('no GPU');
  return gpu;
}

/** An A100 with these instances, as `gi/ci profile MiB slices slices`. */
function shapeOf(mig: unknown): string[] {
  return show(readGpu(JSON.stringify({ gpus: [{ model: 'a100-sxm4-40gb', mig }] })));
}

function show({ migInstances }: Gpu): string[] {
  return migInstances.map(
    (one) =>
      `${one.gpuInstanceId}/${one.computeInstanceId} ${one.profile} ${one.memoryMiB} ${one.gpuSlices} ${one.computeSlices}`,
  );
}

describe('instances', () => {
  test.each([
    ['none', [], []],
    [
      'parts of a GPU instance share it while there is room',
      ['1c.2g.10gb', '1c.2g.10gb', '1c.2g.10gb', '2c.3g.20gb'],
      [
        '1/0 2c.3g.20gb 20096 3 2',
        '3/0 1c.2g.10gb 9984 2 1',
        '3/1 1c.2g.10gb 9984 2 1',
        '4/0 1c.2g.10gb 9984 2 1',
      ],
    ],
    [
      'suffixes and profiles of the future',
      ['1g.5gb', '1g.5gb+me', { profile: '1g.6gb+new', memoryMiB: 5888 }, '1g.7gb', { profile: '1u.5gb' }],
      [
        '7/0 1g.5gb 4864 1 1',
        '8/0 1g.5gb+me 4864 1 1',
        '9/0 1g.6gb+new 5888 1 1',
        '10/0 1g.7gb null 1 1',
        '11/0 1u.5gb null null null',
      ],
    ],
    [
      'ids that are asked for are not given to others',
      [
        '1g.5gb',
        { profile: '1g.5gb', gpuInstanceId: 7 },
        { profile: '1c.2g.10gb', gpuInstanceId: 4, computeInstanceId: 1 },
      ],
      ['4/1 1c.2g.10gb 9984 2 1', '7/0 1g.5gb 4864 1 1', '8/0 1g.5gb 4864 1 1'],
    ],
  ])('%s', (_what, mig, expected) => {
    expect(shapeOf(mig)).toEqual(expected);
  });

  test('each compute instance has its own node beside that of its GPU instance', () => {
    const { migInstances } = readGpu(
      'gpus: [{model: a100-sxm4-40gb, minor: 2, mig: [1c.2g.10gb, 1c.2g.10gb]}]',
    );
    expect(migInstances.map(({ capabilityNodes }) => capabilityNodes)).toEqual([
      ['/dev/nvidia-caps/nvidia-cap300', '/dev/nvidia-caps/nvidia-cap301'],
      ['/dev/nvidia-caps/nvidia-cap300', '/dev/nvidia-caps/nvidia-cap302'],
    ]);
  });

  test('the preset of one shape has 56 instances of it', () => {
    const scenario = presetScenario('h100x8-mig');
    const { gpus } = toSnapshot(scenario, scenario.gpus);
    const instances = gpus.flatMap(({ migInstances }) => migInstances);
    expect(instances).toHaveLength(56);
    expect(new Set(instances.map(({ profile, memoryMiB }) => `${profile} ${memoryMiB}`))).toEqual(
      new Set(['1g.10gb 9984']),
    );
  });
});

const start = 'gpus: [{model: a100-sxm4-40gb, mig: [3g.20gb, 2g.10gb, 1g.5gb, 1g.5gb]}]\ntimeline:\n';

describe('a timeline', () => {
  test('takes instances away and adds others; what stays keeps its UUID', () => {
    const text = `${start}  - { at: 5s, do: mig, gpu: 0, remove: [7, 2g.10gb], add: [1g.10gb, 1g.5gb+me] }`;
    const [before, after] = [readGpu(text, 4), readGpu(text, 5)];
    expect(show(after)).toEqual([
      '1/0 3g.20gb 20096 3 3',
      '7/0 1g.10gb 9984 1 1',
      '8/0 1g.5gb 4864 1 1',
      '9/0 1g.5gb+me 4864 1 1',
    ]);
    const uuids = (gpu: Gpu): string[] => gpu.migInstances.map(({ uuid }) => uuid);
    expect(uuids(after).filter((uuid) => uuids(before).includes(uuid))).toEqual([
      uuids(before)[0],
      uuids(before)[3],
    ]);
    expect(after.uuid).toBe(before.uuid);
  });

  test('a new list keeps the instances that are in both', () => {
    const text = `${start}  - { at: 1s, do: mig, gpu: 0, remove: [7] }\n  - { at: 2s, do: change, gpu: 0, mig: [1g.5gb, 4g.20gb] }`;
    expect(show(readGpu(text, 2))).toEqual(['1/0 4g.20gb 20096 4 4', '8/0 1g.5gb 4864 1 1']);
    const kept = readGpu(text, 1).migInstances.at(-1)?.uuid;
    expect(readGpu(text, 2).migInstances.at(-1)?.uuid).toBe(kept);
    expect(readGpu(text, 1).migInstances[0]?.uuid).not.toBe(readGpu(text, 2).migInstances[0]?.uuid);
  });

  test('MIG mode is switched at once or with the next reset', () => {
    const text = `gpus: [{model: a100-sxm4-40gb}]
timeline:
  - { at: 1s, do: change, gpu: 0, migPending: on }
  - { at: 2s, do: change, gpu: 0, mig: [] }
  - { at: 3s, do: mig, gpu: 0, add: [7g.40gb] }
  - { at: 4s, do: change, gpu: 0, mig: off }`;
    const seen = [0, 1, 2, 3, 4].map((second) => {
      const { mig, migInstances } = readGpu(text, second);
      return [mig?.current, mig?.pending, migInstances.length];
    });
    expect(seen).toEqual([
      [false, false, 0],
      [false, true, 0],
      [true, true, 0],
      [true, true, 1],
      [false, false, 0],
    ]);
  });
});

describe('errors are told with the place', () => {
  const a100 = (mig: string): string => `gpus: [{model: a100-sxm4-40gb, mig: ${mig}}]`;
  const later = (event: string): string => `${start}  - { at: 5s, gpu: 0, ${event} }`;

  test.each([
    [
      a100('[{profile: 2g.10gb, gpuInstanceId: 3}, {profile: 1c.3g.20gb, gpuInstanceId: 3}]'),
      'gpus[0].mig: [{"profile":"2g.10gb","gpuInstanceId":3},{"profile":"1c.3g.…: GPU instance 3 cannot be both 2g.10gb and 1c.3g.20gb',
    ],
    [
      a100('[{profile: 1c.2g.10gb, gpuInstanceId: 3}, {profile: 2c.2g.10gb, gpuInstanceId: 3}]'),
      'gpus[0].mig: [{"profile":"1c.2g.10gb","gpuInstanceId":3},{"profile":"2c.…: GPU instance 3 has 2 compute slices; 3 are asked for',
    ],
    [
      a100(
        '[{profile: 1g.5gb, gpuInstanceId: 3, computeInstanceId: 1}, {profile: 1g.5gb, gpuInstanceId: 3, computeInstanceId: 1}]',
      ),
      'gpus[0].mig: [{"profile":"1g.5gb","gpuInstanceId":3,"computeInstanceId":…: GPU instance 3 has two compute instances with one id',
    ],
    [
      a100('[7g.40gb, 1g.99gb]'),
      'gpus[0].mig: ["7g.40gb","1g.99gb"]: needs 8 compute and 8 memory slices; a GPU has 7 and 8',
    ],
    [
      a100('[{profile: 1g.5gb, gpuInstanceId: 15}]'),
      'gpus[0].mig[0].gpuInstanceId: 15 is not allowed; allowed: at most 14',
    ],
    [a100('[{profile: 1g 5gb}]'), 'gpus[0].mig[0].profile: "1g 5gb" is not allowed; allowed: letters'],
    [
      'gpus: [{model: t4, migPending: on}]',
      'gpus[0].migPending: "on": the Tesla T4 cannot do MIG; leave the key out',
    ],
    ['preset: t4x1\ntimeline: [{at: 5s, do: mig, gpu: 0}]', 'timeline[0]: the Tesla T4 cannot do MIG'],
    [
      'preset: a100x8\ntimeline: [{at: 5s, do: mig, gpu: 0, add: [1g.5gb]}]',
      'timeline[0]: the GPU is not in MIG mode at that time; "change" with "mig: []" switches it on',
    ],
    [
      later('do: mig, add: [1g.10gb]'),
      'timeline[0]: needs 8 compute and 10 memory slices; a GPU has 7 and 8',
    ],
    [
      later('do: mig, remove: [9]'),
      'timeline[0]: GPU instance 9 is not there at that time; there is: 1 (3g.20gb), 3 (2g.10gb), 7 (1g.5gb), 8 (1g.5gb)',
    ],
    [
      `${later('do: mig, remove: [7]')}\n  - { at: 1s, do: change, gpu: 0, mig: [] }`,
      'timeline[0]: GPU instance 7 is not there at that time; there is none',
    ],
    [
      later('do: mig, remove: 7'),
      'timeline[0].remove: 7 is not allowed; allowed: a list of GPU instance ids and profiles',
    ],
    [later('do: change, mig: [4g.20gb, 4g.20gb]'), 'timeline[0].mig: ["4g.20gb","4g.20gb"]: needs 8 compute'],
  ])('%s', (text, message) => {
    expect(messageOf(text)).toContain(`has one error:\n  ${message}`);
  });
});

describe('for any changes in a row', () => {
  const profile = fc.constantFrom(
    '1g.5gb',
    '2g.10gb',
    '1c.2g.10gb',
    '1c.3g.20gb',
    '3g.20gb',
    '1g.9gb',
    '1g.5gb+me',
  );
  const step = fc.oneof(
    fc.record({ do: fc.constant('mig'), add: fc.array(profile, { maxLength: 3 }) }),
    fc.record({ do: fc.constant('mig'), remove: fc.array(fc.oneof(profile, fc.nat(10)), { maxLength: 2 }) }),
    fc.record({ do: fc.constant('change'), mig: fc.array(profile, { maxLength: 5 }) }),
  );

  test('ids are unique and in order, and one UUID is one instance of one profile', () => {
    let sound = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
        const timeline = steps.map((one, at) => ({ at: `${at}s`, gpu: 0, ...one }));
        const text = JSON.stringify({ gpus: [{ model: 'a100-sxm4-40gb', mig: [] }], timeline });
        if (messageOf(text) !== '') return;
        sound += 1;
        const seen = new Map<string, string>();
        for (const at of steps.keys()) {
          const { migInstances } = readGpu(text, at);
          const ids = migInstances.map((one) => one.gpuInstanceId * 8 + one.computeInstanceId);
          expect(ids).toEqual([...new Set(ids)].toSorted((left, right) => left - right));
          for (const one of migInstances) {
            const what = `${one.gpuInstanceId}/${one.computeInstanceId} ${one.profile}`;
            expect(seen.get(one.uuid) ?? what).toBe(what);
            seen.set(one.uuid, what);
          }
        }
      }),
    );
    expect(sound).toBeGreaterThan(5);
  });
});

function messageOf(text: string): string {
  try {
    readGpu(text);
    return '';
  } catch (error) {
    return describeError(error);
  }
}
