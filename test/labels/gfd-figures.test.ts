import { describe, expect, it } from 'vitest';
import type { Gpu, Snapshot } from '../../src/inventory/gpu.ts';
import { describeLabels, type LabelFacts } from '../../src/labels/node-labels.ts';
import { planResources } from '../../src/resources/plan.ts';
import { gpu } from '../support/snapshots.ts';
import { settings } from './label-facts.ts';

/**
 * What GPU Feature Discovery v0.20.0 printed for eight H100, where no file told of the machine or of the PCI classes; a plain model of the
 * rule, not of our code.
 */
const h100x8 = {
  'cuda.driver-version.full': '550.163.01',
  'cuda.driver-version.major': '550',
  'cuda.driver-version.minor': '163',
  'cuda.driver-version.revision': '01',
  'cuda.driver.major': '550',
  'cuda.driver.minor': '163',
  'cuda.driver.rev': '01',
  'cuda.runtime-version.full': '12.4',
  'cuda.runtime-version.major': '12',
  'cuda.runtime-version.minor': '4',
  'cuda.runtime.major': '12',
  'cuda.runtime.minor': '4',
  'gfd.timestamp': '1795308713',
  'gpu.clique': '00000000-0000-0000-0000-000000000001.0',
  'gpu.compute.major': '9',
  'gpu.compute.minor': '0',
  'gpu.count': '8',
  'gpu.family': 'hopper',
  'gpu.machine': 'unknown',
  'gpu.memory': '81920',
  'gpu.mode': 'unknown',
  'gpu.product': 'NVIDIA-H100-80GB-HBM3',
  'gpu.replicas': '1',
  'gpu.sharing-strategy': 'none',
  'mig.capable': 'true',
  'mps.capable': 'false',
  'vgpu.present': 'false',
};

const nodes: readonly (readonly [string, number, Partial<Gpu>, object])[] = [
  [
    '8 H100',
    8,
    { name: 'NVIDIA H100 80GB HBM3', computeCapability: '9.0', memoryTotalMiB: 81_920 },
    { 'gfd.timestamp': '1795308713' },
  ],
  [
    '4 T4',
    4,
    { name: 'NVIDIA T4', computeCapability: '7.5', memoryTotalMiB: 16_384, mig: null },
    {
      'gfd.timestamp': '1795309226',
      'gpu.compute.major': '7',
      'gpu.compute.minor': '5',
      'gpu.count': '4',
      'gpu.family': 'turing',
      'gpu.memory': '16384',
      'gpu.product': 'NVIDIA-T4',
      'mig.capable': 'false',
    },
  ],
  [
    '8 A100',
    8,
    { name: 'NVIDIA A100-SXM4-40GB', computeCapability: '8.0', memoryTotalMiB: 40_960 },
    {
      'gfd.timestamp': '1795309225',
      'gpu.compute.major': '8',
      'gpu.family': 'ampere',
      'gpu.memory': '40960',
      'gpu.product': 'NVIDIA-A100-SXM4-40GB',
    },
  ],
];

describe("what GPU Feature Discovery prints, beside the models' own labels", () => {
  it.each(nodes)('%s', (_title, count, figures, differences) => {
    const gpus = Array.from({ length: count }, (_none, index) =>
      gpu(index, {
        mig: { current: false, pending: false },
        fabric: { clusterUuid: '00000000-0000-0000-0000-000000000001', cliqueId: 0 },
        pciClass: null,
        ...figures,
      }),
    );
    const snapshot: Snapshot = {
      driver: 'nvml',
      driverVersion: '550.163.01',
      cudaVersion: '12.4',
      gpus,
      unreadable: [],
    };
    const wanted: Readonly<Record<string, string>> = { ...h100x8, ...differences };
    const facts: LabelFacts = {
      snapshot,
      ...planResources(snapshot, settings()),
      settings: settings(),
      machine: null,
      timestampSeconds: Number(wanted['gfd.timestamp']),
    };
    const entries = Object.entries(describeLabels(facts));
    const own = entries.filter(([name]) => name.startsWith('nvidia.com/gpu.model.'));
    const model = `nvidia.com/gpu.model.${wanted['gpu.product']}`;
    expect(own).toEqual([
      [`${model}.count`, String(count)],
      [`${model}.memory`, wanted['gpu.memory']],
    ]);
    expect(entries.filter((entry) => !own.includes(entry))).toEqual(
      Object.entries(wanted).map(([name, value]) => [`nvidia.com/${name}`, value]),
    );
  });
});
