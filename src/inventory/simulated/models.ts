import type { MigEngines } from '../gpu.ts';

/** What the driver says of one product. Memory in MiB, as `nvidia-smi -q` prints it under "FB Memory Usage". */
export interface GpuModel {
  readonly name: string;
  readonly architecture: string;
  readonly computeCapability: string;
  readonly memoryTotalMiB: number;
  readonly memoryReservedMiB: number;
  /** `030000` where a screen can be plugged in, else `030200`. */
  readonly pciClass: string;
  /** GPU instance profiles that the product offers; empty where it cannot do MIG. */
  readonly migProfiles: Readonly<Record<string, MigProfile>>;
}

/** A GPU instance profile: slices of seven for compute, of eight for memory (MIG user guide, "MIG device names"). */
export interface MigProfile {
  readonly computeSlices: number;
  readonly memorySlices: number;
  readonly memoryMiB: number;
  readonly engines: MigEngines;
}

/** Multiprocessors, then engines: copy, decoder, JPEG, optical flow. No product has encoders for MIG. */
function engines(multiprocessors: number, copy: number, decoder: number, jpeg = 0, ofa = 0): MigEngines {
  return { multiprocessors, copy, decoder, encoder: 0, jpeg, ofa };
}

const a100With40: Readonly<Record<string, MigProfile>> = {
  '1g.5gb': { computeSlices: 1, memorySlices: 1, memoryMiB: 4864, engines: engines(14, 1, 0) },
  '1g.5gb+me': { computeSlices: 1, memorySlices: 1, memoryMiB: 4864, engines: engines(14, 1, 1, 1, 1) },
  '1g.10gb': { computeSlices: 1, memorySlices: 2, memoryMiB: 9984, engines: engines(14, 1, 1) },
  '2g.10gb': { computeSlices: 2, memorySlices: 2, memoryMiB: 9984, engines: engines(28, 2, 1) },
  '3g.20gb': { computeSlices: 3, memorySlices: 4, memoryMiB: 20096, engines: engines(42, 3, 2) },
  '4g.20gb': { computeSlices: 4, memorySlices: 4, memoryMiB: 20096, engines: engines(56, 4, 2) },
  '7g.40gb': { computeSlices: 7, memorySlices: 8, memoryMiB: 40192, engines: engines(98, 7, 5, 1, 1) },
};

const a100With80: Readonly<Record<string, MigProfile>> = {
  '1g.10gb': { computeSlices: 1, memorySlices: 1, memoryMiB: 9728, engines: engines(14, 1, 0) },
  '1g.10gb+me': { computeSlices: 1, memorySlices: 1, memoryMiB: 9728, engines: engines(14, 1, 1, 1, 1) },
  '1g.20gb': { computeSlices: 1, memorySlices: 2, memoryMiB: 19968, engines: engines(14, 1, 1) },
  '2g.20gb': { computeSlices: 2, memorySlices: 2, memoryMiB: 19968, engines: engines(28, 2, 1) },
  '3g.40gb': { computeSlices: 3, memorySlices: 4, memoryMiB: 40192, engines: engines(42, 3, 2) },
  '4g.40gb': { computeSlices: 4, memorySlices: 4, memoryMiB: 40192, engines: engines(56, 4, 2) },
  '7g.80gb': { computeSlices: 7, memorySlices: 8, memoryMiB: 80640, engines: engines(98, 7, 5, 1, 1) },
};

const h100With80: Readonly<Record<string, MigProfile>> = {
  '1g.10gb': { computeSlices: 1, memorySlices: 1, memoryMiB: 9984, engines: engines(16, 1, 1, 1) },
  '1g.10gb+me': { computeSlices: 1, memorySlices: 1, memoryMiB: 9984, engines: engines(16, 1, 1, 1, 1) },
  '1g.20gb': { computeSlices: 1, memorySlices: 2, memoryMiB: 20096, engines: engines(26, 1, 1, 1) },
  '2g.20gb': { computeSlices: 2, memorySlices: 2, memoryMiB: 20096, engines: engines(32, 2, 2, 2) },
  '3g.40gb': { computeSlices: 3, memorySlices: 4, memoryMiB: 40448, engines: engines(60, 3, 3, 3) },
  '4g.40gb': { computeSlices: 4, memorySlices: 4, memoryMiB: 40448, engines: engines(64, 4, 4, 4) },
  '7g.80gb': { computeSlices: 7, memorySlices: 8, memoryMiB: 80896, engines: engines(132, 8, 7, 7, 1) },
};

function model(
  name: string,
  architecture: string,
  computeCapability: string,
  memory: readonly [totalMiB: number, reservedMiB: number],
  migProfiles: GpuModel['migProfiles'] = {},
  pciClass = '030200',
): GpuModel {
  const [memoryTotalMiB, memoryReservedMiB] = memory;
  return { name, architecture, computeCapability, memoryTotalMiB, memoryReservedMiB, pciClass, migProfiles };
}

/** The products that a scenario can name. */
export const gpuModels = {
  a10: model('NVIDIA A10', 'ampere', '8.6', [23028, 512]),
  'a100-sxm4-40gb': model('NVIDIA A100-SXM4-40GB', 'ampere', '8.0', [40960, 620], a100With40),
  'a100-sxm4-80gb': model('NVIDIA A100-SXM4-80GB', 'ampere', '8.0', [81920, 763], a100With80),
  'h100-80gb-hbm3': model('NVIDIA H100 80GB HBM3', 'hopper', '9.0', [81559, 479], h100With80),
  l4: model('NVIDIA L4', 'ada lovelace', '8.9', [23034, 556]),
  'rtx-4080-super': model('NVIDIA GeForce RTX 4080 SUPER', 'ada lovelace', '8.9', [16376, 434], {}, '030000'),
  t4: model('Tesla T4', 'turing', '7.5', [15360, 393]),
  'v100-sxm2-32gb': model('Tesla V100-SXM2-32GB', 'volta', '7.0', [32768, 258]),
  'v100-sxm3-32gb': model('Tesla V100-SXM3-32GB', 'volta', '7.0', [32768, 258]),
} as const satisfies Readonly<Record<string, GpuModel>>;

export type GpuModelName = keyof typeof gpuModels;

export const gpuModelNames = Object.keys(gpuModels) as readonly GpuModelName[];
