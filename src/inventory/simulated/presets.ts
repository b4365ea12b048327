import type { PresetName, ScenarioInput } from './scenario-schema.ts';
import { dgx1Gpus, dgx1Links, dgx2Gpus, dgx2Links } from './v100-boards.ts';

/** The GPUs of a DGX H100. */
const dgxH100 = place('h100-80gb-hbm3', [
  ['1b', 0],
  ['43', 0],
  ['52', 0],
  ['61', 0],
  ['9d', 1],
  ['c3', 1],
  ['d1', 1],
  ['df', 1],
]);

/** The scenarios that ship with the program, written like a file's. Bus ids and NUMA nodes are those of the machines named. */
export const presets = {
  /** DGX A100: eight GPUs joined by NVSwitches, two behind each pair of PCIe switches, four NUMA nodes with GPUs. */
  a100x8: {
    driverVersion: '580.95.05',
    cudaVersion: '13.0',
    gpus: place('a100-sxm4-40gb', [
      ['07', 3],
      ['0f', 3],
      ['47', 1],
      ['4e', 1],
      ['87', 7],
      ['90', 7],
      ['b7', 5],
      ['bd', 5],
    ]),
    nvswitchLinks: 12,
    links: ([0, 2, 4, 6] as const).map((first) => ({
      between: [first, first + 1],
      pcie: 'several-switches' as const,
    })),
  },
  /** DGX H100: eight GPUs joined by NVSwitches, two sockets. */
  'h100x8-nvlink': {
    driverVersion: '590.48.01',
    cudaVersion: '13.1',
    gpus: dgxH100,
    nvswitchLinks: 18,
  },
  /** Half a DGX-1: four GPUs, wired to each other by one or two NVLinks. */
  v100x4: {
    driverVersion: '580.95.05',
    cudaVersion: '13.0',
    gpus: place('v100-sxm2-32gb', [
      ['06', 0],
      ['07', 0],
      ['0a', 0],
      ['0b', 0],
    ]),
    links: [
      { between: [0, 1], nvlinks: 1, pcie: 'one-switch' },
      { between: [0, 2], nvlinks: 1, pcie: 'host-bridge' },
      { between: [0, 3], nvlinks: 2, pcie: 'host-bridge' },
      { between: [1, 2], nvlinks: 2, pcie: 'host-bridge' },
      { between: [1, 3], nvlinks: 1, pcie: 'host-bridge' },
      { between: [2, 3], nvlinks: 2, pcie: 'one-switch' },
    ],
  },
  /** DGX-1: eight GPUs wired to each other, each to four others by one or two NVLinks, to three not at all. */
  'v100x8-cube-mesh': {
    driverVersion: '580.95.05',
    cudaVersion: '13.0',
    gpus: dgx1Gpus(['06', '07', '0a', '0b', '85', '86', '89', '8a'], 0),
    links: dgx1Links(0),
  },
  /** Two boards of a DGX-1 in one machine of four sockets: two islands of NVLink, PCIe between them. */
  'v100x16-cube-mesh': {
    driverVersion: '580.95.05',
    cudaVersion: '13.0',
    gpus: [
      ...dgx1Gpus(['06', '07', '0a', '0b', '25', '26', '29', '2a'], 0),
      ...dgx1Gpus(['85', '86', '89', '8a', 'a5', 'a6', 'a9', 'aa'], 2),
    ],
    links: [...dgx1Links(0), ...dgx1Links(8)],
  },
  /** DGX-2: sixteen GPUs joined by NVSwitches, two sockets. */
  'v100x16-nvswitch': {
    driverVersion: '580.95.05',
    cudaVersion: '13.0',
    gpus: dgx2Gpus(),
    nvswitchLinks: 6,
    links: dgx2Links(),
  },
  /** A small cloud instance: one GPU, and a virtual machine that tells no NUMA node. */
  t4x1: {
    driverVersion: '580.95.05',
    cudaVersion: '13.0',
    gpus: place('t4', [['1e', null]]),
  },
  /** Two GPUs in MIG mode, cut differently. */
  'a100x2-mig-mixed': {
    driverVersion: '580.95.05',
    cudaVersion: '13.0',
    gpus: [
      {
        model: 'a100-sxm4-40gb',
        pciBusId: '00000000:07:00.0',
        numaNode: 0,
        mig: ['3g.20gb', '2g.10gb', '1g.5gb', '1g.5gb'],
      },
      {
        model: 'a100-sxm4-40gb',
        pciBusId: '00000000:47:00.0',
        numaNode: 1,
        mig: ['1g.5gb', '1g.5gb', '1g.5gb', '1g.5gb', '1g.5gb', '1g.5gb', '1g.5gb'],
      },
    ],
    nvswitchLinks: 12,
  },
  /** DGX H100 in MIG mode, every GPU cut into seven equal instances. */
  'h100x8-mig': {
    driverVersion: '590.48.01',
    cudaVersion: '13.1',
    gpus: dgxH100.map((gpu) => ({ ...gpu, mig: Array.from({ length: 7 }, () => '1g.10gb') })),
    nvswitchLinks: 18,
  },
  /** Four products in one workstation. */
  'mixed-models': {
    driverVersion: '595.71.05',
    cudaVersion: '13.2',
    gpus: [
      ...place('a100-sxm4-80gb', [['17', 0]]),
      ...place('l4', [['65', 0]]),
      ...place('t4', [['b3', 1]]),
      ...place('rtx-4080-super', [['ca', 1]]),
    ],
  },
  /** A driver without a GPU. */
  none: { driverVersion: '580.95.05', cudaVersion: '13.0', gpus: [] },
} satisfies Readonly<Record<PresetName, ScenarioInput>>;

type InputGpu = NonNullable<ScenarioInput['gpus']>[number];

/** GPUs of one model, each on a PCI bus of its own. */
function place(
  model: InputGpu['model'],
  buses: readonly (readonly [bus: string, numaNode: number | null])[],
): InputGpu[] {
  return buses.map(([bus, numaNode]) => ({ model, pciBusId: `00000000:${bus}:00.0`, numaNode }));
}
