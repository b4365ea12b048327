import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Gpu, Snapshot } from '../../src/inventory/gpu.ts';
import type { ResourceSettings } from '../../src/resources/resource-settings.ts';
import { gpu, instance, migGpu, snapshotOf } from '../support/snapshots.ts';
import { allLabelsOf, labelsOf, slicing } from './label-facts.ts';

const whole = 'nvidia.com/gpu';
const small = { name: 'nvidia.com/mig-1g.5gb', replicas: 3 } as const;
const a100 = 'NVIDIA-A100-SXM4-40GB';
const single = { migStrategy: 'single' } as const;
const mixed = { migStrategy: 'mixed' } as const;
const notThere = undefined;

type Case = readonly [
  title: string,
  gpus: readonly Gpu[],
  settings: Partial<ResourceSettings>,
  wanted: Readonly<Record<string, string | undefined>>,
];

const sharing: readonly Case[] = [
  [
    'time slices under the own name',
    [gpu(0), gpu(1)],
    slicing([{ name: whole, replicas: 4 }]),
    {
      'gpu.product': `${a100}-SHARED`,
      'gpu.count': '2',
      'gpu.replicas': '4',
      'gpu.sharing-strategy': 'time-slicing',
    },
  ],
  [
    'time slices under another name',
    [gpu(0)],
    slicing([{ name: whole, replicas: 4 }], true),
    { 'gpu.product': a100, 'gpu.replicas': '4', 'gpu.sharing-strategy': 'time-slicing' },
  ],
  [
    'a name of its own for the slices',
    [gpu(0)],
    slicing([{ name: whole, replicas: 2, rename: 'nvidia.com/half' }]),
    { 'gpu.product': a100, 'gpu.replicas': '2' },
  ],
  [
    'one slice is no sharing',
    [gpu(0)],
    slicing([{ name: whole, replicas: 1 }]),
    { 'gpu.product': a100, 'gpu.replicas': '1', 'gpu.sharing-strategy': 'none' },
  ],
];

const mig: readonly Case[] = [
  [
    'none: a GPU in MIG mode is a whole one',
    [migGpu(0, ['3g.20gb']), gpu(1)],
    {},
    {
      'gpu.product': a100,
      'gpu.count': '2',
      'gpu.replicas': '1',
      'mig.capable': 'true',
      'mig.strategy': notThere,
      'mig-3g.20gb.count': notThere,
    },
  ],
  [
    'single: instances stand in the place of GPUs',
    [migGpu(0, ['1g.5gb', '1g.5gb']), migGpu(1, ['1g.5gb'])],
    single,
    {
      'gpu.product': `${a100}-MIG-1g.5gb`,
      'gpu.count': '3',
      'gpu.replicas': '1',
      'gpu.memory': '4864',
      'gpu.multiprocessors': '14',
      'gpu.slices.gi': '1',
      'gpu.slices.ci': '1',
      'gpu.engines.copy': '1',
      'gpu.engines.decoder': '0',
      'gpu.engines.encoder': '0',
      'gpu.engines.jpeg': '0',
      'gpu.engines.ofa': '0',
      'gpu.family': 'ampere',
      'mig.strategy': 'single',
    },
  ],
  [
    'single, shared',
    [migGpu(0, ['1g.5gb'])],
    { ...single, ...slicing([{ name: whole, replicas: 2 }]) },
    { 'gpu.product': `${a100}-MIG-1g.5gb-SHARED`, 'gpu.replicas': '2' },
  ],
  [
    'single without a GPU in MIG mode is none',
    [gpu(0, { mig: { current: false, pending: false } })],
    single,
    { 'gpu.product': a100, 'gpu.count': '1', 'mig.strategy': 'single', 'gpu.slices.gi': notThere },
  ],
  [
    'single with no instance at all',
    [migGpu(0, []), migGpu(1, [])],
    single,
    {
      'gpu.product': `${a100}-MIG-INVALID`,
      'gpu.count': '0',
      'gpu.replicas': '0',
      'gpu.memory': '0',
      'gpu.sharing-strategy': '',
      'gpu.family': 'ampere',
    },
  ],
  [
    'single, of shapes that differ: what is offered counts',
    [migGpu(0, ['1g.5gb', '2g.10gb']), gpu(1)],
    single,
    { 'gpu.product': `${a100}-MIG-1g.5gb`, 'gpu.count': '1' },
  ],
  [
    'mixed: each profile beside the whole GPUs',
    [migGpu(0, ['1g.5gb', '1g.5gb+me', '1g.5gb']), gpu(1, { mig: { current: false, pending: false } })],
    mixed,
    {
      'gpu.product': a100,
      'gpu.count': '2',
      'gpu.replicas': '1',
      'mig.strategy': 'mixed',
      'mig-1g.5gb.product': `${a100}-MIG-1g.5gb`,
      'mig-1g.5gb.count': '2',
      'mig-1g.5gb.replicas': '1',
      'mig-1g.5gb.sharing-strategy': 'none',
      'mig-1g.5gb.memory': '4864',
      'mig-1g.5gb.multiprocessors': '14',
      'mig-1g.5gb.engines.copy': '1',
      'mig-1g.5gb.me.product': `${a100}-MIG-1g.5gbme`,
      'mig-1g.5gb.me.count': '1',
    },
  ],
  [
    'mixed, where all GPUs are in MIG mode',
    [migGpu(0, ['1g.5gb'])],
    { ...mixed, ...slicing([small]) },
    {
      'gpu.product': a100,
      'gpu.count': '1',
      'gpu.replicas': '0',
      'gpu.sharing-strategy': 'none',
      'mig-1g.5gb.product': `${a100}-MIG-1g.5gb-SHARED`,
      'mig-1g.5gb.replicas': '3',
      'mig-1g.5gb.sharing-strategy': 'time-slicing',
    },
  ],
  [
    'mixed: a driver that does not tell the engines',
    [
      gpu(0, {
        mig: { current: true, pending: true },
        migInstances: [{ ...instance(1, '1g.5gb'), engines: null, memoryMiB: null }],
      }),
    ],
    mixed,
    {
      'mig-1g.5gb.count': '1',
      'mig-1g.5gb.memory': notThere,
      'mig-1g.5gb.multiprocessors': notThere,
      'mig-1g.5gb.engines.copy': notThere,
    },
  ],
];

const facts: readonly Case[] = [
  ['the machine', [gpu(0)], {}, { 'gpu.machine': 'DGX-H100', 'gfd.timestamp': '1800000000' }],
  ['no GPU', [], {}, { 'vgpu.present': 'false', 'gpu.count': notThere, 'gpu.machine': notThere }],
  ['a vGPU', [gpu(0), gpu(1, { isVirtual: true })], {}, { 'vgpu.present': 'true' }],
  ['nobody says whether it is a vGPU', [gpu(0, { isVirtual: null })], {}, { 'vgpu.present': notThere }],
  ['3D controllers', [gpu(0), gpu(1)], {}, { 'gpu.mode': 'compute' }],
  ['VGA controllers', [gpu(0, { pciClass: '030000' })], {}, { 'gpu.mode': 'graphics' }],
  ['some of each', [gpu(0), gpu(1, { pciClass: '030000' })], {}, { 'gpu.mode': 'unknown' }],
  ['another class', [gpu(0, { pciClass: '120000' })], {}, { 'gpu.mode': 'unknown' }],
  [
    'two cliques',
    [
      gpu(0, { fabric: { clusterUuid: 'a', cliqueId: 0 } }),
      gpu(1, { fabric: { clusterUuid: 'a', cliqueId: 1 } }),
    ],
    {},
    { 'gpu.clique': notThere },
  ],
  [
    'a GPU beside the clique',
    [gpu(0, { fabric: { clusterUuid: 'a', cliqueId: 3 } }), gpu(1)],
    {},
    { 'gpu.clique': 'a.3' },
  ],
  [
    'no compute capability: the family by its name',
    [gpu(0, { computeCapability: null, architecture: 'ada lovelace' })],
    {},
    { 'gpu.family': 'ada-lovelace', 'gpu.compute.major': notThere },
  ],
  ['no memory', [gpu(0, { memoryTotalMiB: null })], {}, { 'gpu.memory': notThere }],
  ['an excluded GPU is none', [gpu(0), gpu(1)], { exclude: ['1'] }, { 'gpu.count': '1' }],
];

describe.each([
  ['sharing', sharing],
  ['MIG', mig],
  ['facts', facts],
])('%s', (_title, cases) => {
  it.each(cases)('%s', (_name, gpus, settings, wanted) => {
    const labels = labelsOf(gpus, settings);
    expect(Object.fromEntries(Object.keys(wanted).map((name) => [name, labels[name]]))).toEqual(wanted);
  });
});

it.each([
  ['1.3', 'tesla'],
  ['2.0', 'fermi'],
  ['3.7', 'kepler'],
  ['5.2', 'maxwell'],
  ['6.1', 'pascal'],
  ['7.0', 'volta'],
  ['7.5', 'turing'],
  ['8.6', 'ampere'],
  ['8.9', 'ada-lovelace'],
  ['9.0', 'hopper'],
  ['10.0', 'blackwell'],
  ['11.0', 'undefined'],
  ['12.0', 'blackwell'],
  ['13.0', 'rubin'],
])('compute capability %s is %s', (computeCapability, family) => {
  expect(labelsOf([gpu(0, { computeCapability })])['gpu.family']).toBe(family);
});

it.each([
  ['590.48', { major: '590', minor: '48', revision: '' }],
  ['590.48.01', { major: '590', minor: '48', revision: '01' }],
  ['590', { major: undefined, minor: undefined, revision: undefined }],
  ['', { major: undefined, minor: undefined, revision: undefined }],
])('driver version %j', (driverVersion, wanted) => {
  const labels = allLabelsOf({ ...snapshotOf([gpu(0)]), driverVersion });
  const label = (part: string): string | undefined => labels[`nvidia.com/cuda.driver-version.${part}`];
  expect({ major: label('major'), minor: label('minor'), revision: label('revision') }).toEqual(wanted);
});

describe('several models on one node', () => {
  const t4 = { name: 'Tesla T4', computeCapability: '7.5', memoryTotalMiB: 15_360 };
  const l4 = { name: 'NVIDIA L4', computeCapability: '8.9', memoryTotalMiB: 23_034 };

  it.each([
    ['the one with most GPUs is the main one', [gpu(0, t4), gpu(1, l4), gpu(2, l4)], 'NVIDIA-L4', '2'],
    ['of equals the one with the lowest index', [gpu(1, l4), gpu(0, t4)], 'Tesla-T4', '1'],
    [
      'a lost GPU counts on',
      [gpu(0, l4), gpu(1, l4), gpu(2, { ...t4, error: null }), gpu(3, t4)].map((each) =>
        each.index < 1 ? { ...each, error: 'GPU is lost', memoryUsedMiB: null } : each,
      ),
      'NVIDIA-L4',
      '2',
    ],
  ])('%s', (_title, gpus, product, count) => {
    expect(labelsOf(gpus)).toMatchObject({ 'gpu.product': product, 'gpu.count': count });
  });

  it('each has labels of its own, whatever is made of it', () => {
    const labels = allLabelsOf(snapshotOf([migGpu(0, ['1g.5gb']), gpu(1, t4), gpu(2, t4)]), single);
    const own = Object.entries(labels).filter(([name]) => name.includes('/gpu.model.'));
    expect(Object.fromEntries(own)).toEqual({
      [`nvidia.com/gpu.model.${a100}.count`]: '1',
      [`nvidia.com/gpu.model.${a100}.memory`]: '40960',
      'nvidia.com/gpu.model.Tesla-T4.count': '2',
      'nvidia.com/gpu.model.Tesla-T4.memory': '15360',
    });
  });

  it('a GPU that nobody could read yet is not counted: its model is not known', () => {
    const snapshot = {
      ...snapshotOf([gpu(0, l4)]),
      unreadable: [{ index: 1, pciBusId: null, error: 'GPU is lost' }],
    };
    const labels = allLabelsOf(snapshot);
    expect(labels['nvidia.com/gpu.count']).toBe('1');
    expect(labels).toEqual(allLabelsOf(snapshotOf([gpu(0, l4)])));
  });

  it('is the same in whatever order the driver lists them', () => {
    const gpus = [gpu(0, t4), gpu(1, l4), gpu(2, l4), gpu(3, t4)];
    fc.assert(
      fc.property(fc.shuffledSubarray(gpus, { minLength: gpus.length }), (shuffled) => {
        expect(labelsOf(shuffled)).toEqual(labelsOf(gpus));
      }),
    );
  });
});

/** Kubernetes' own rules (apimachinery, pkg/util/validation). */
const legalValue = /^(|[A-Za-z0-9]|[A-Za-z0-9][-A-Za-z0-9_.]{0,61}[A-Za-z0-9])$/;
const legalName = /^nvidia\.com\/([A-Za-z0-9]|[A-Za-z0-9][-A-Za-z0-9_.]{0,61}[A-Za-z0-9])$/;

it('every label is one that Kubernetes takes, whatever the driver says', () => {
  const text = fc.oneof(fc.string({ maxLength: 120 }), fc.string({ unit: 'grapheme', maxLength: 90 }));
  const profile = fc.oneof(text, fc.constantFrom('1g.5gb', '1c.2g.10gb', '1g.10gb+me.all', '1g.10gb-me'));
  const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary);
  const someGpu = fc
    .record({
      name: text,
      architecture: optional(text),
      computeCapability: optional(fc.oneof(text, fc.constantFrom('9.0', '12.1'))),
      memoryTotalMiB: optional(fc.nat()),
      pciClass: optional(text),
      isVirtual: optional(fc.boolean()),
      fabric: optional(fc.record({ clusterUuid: text, cliqueId: fc.nat() })),
      profiles: fc.array(profile, { maxLength: 3 }),
    })
    .map(
      ({ profiles, ...figures }) =>
        (index: number) =>
          profiles.length === 0 ? gpu(index, figures) : migGpu(index, profiles, figures),
    );
  const node = fc.record({
    makers: fc.array(someGpu, { maxLength: 4 }),
    versions: fc.tuple(optional(text), optional(text)),
    settings: fc.record({
      migStrategy: fc.constantFrom('none', 'single', 'mixed'),
      timeSlicing: fc.constantFrom(null, slicing([{ name: whole, replicas: 3 }]).timeSlicing ?? null),
    }),
  });
  fc.assert(
    fc.property(node, ({ makers, versions: [driverVersion, cudaVersion], settings }) => {
      const gpus = makers.map((make, index) => make(index));
      const snapshot: Snapshot = { driver: 'nvml', driverVersion, cudaVersion, gpus, unreadable: [] };
      for (const [name, value] of Object.entries(
        allLabelsOf(snapshot, settings as Partial<ResourceSettings>),
      )) {
        expect(name).toMatch(legalName);
        expect(value).toMatch(legalValue);
      }
    }),
    { numRuns: 300 },
  );
});
