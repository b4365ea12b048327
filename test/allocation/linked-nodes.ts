import type { GpuLink, PcieDistance } from '../../src/inventory/gpu.ts';
import type { LinkedGpu } from '../../src/allocation/preferred/topology.ts';

/** A pair of GPUs by index, and what joins them. */
export interface Joint {
  readonly between: readonly [number, number];
  readonly nvlinks?: number;
  readonly nvswitchLinks?: number;
  readonly pcie?: PcieDistance;
}

/** The UUID of the GPU with this index. */
export function uuidOf(index: number): string {
  return `GPU-${String(index).padStart(2, '0')}`;
}

/** GPUs 0 to count − 1 with the joints seen from both ends. */
export function linkedNode(count: number, joints: readonly Joint[]): readonly LinkedGpu[] {
  return Array.from({ length: count }, (_, index) => ({
    uuid: uuidOf(index),
    numaNode: null,
    links: joints
      .filter(({ between }) => between.includes(index))
      .map(({ between: [a, b], nvlinks = 0, nvswitchLinks = 0, pcie = null }): GpuLink => ({
        toUuid: uuidOf(index === a ? b : a),
        nvlinks,
        nvswitchLinks,
        pcie,
      })),
  }));
}

/** All pairs of GPUs 0 to count − 1, joined as told. */
export function everyPair(
  count: number,
  joint: (a: number, b: number) => Omit<Joint, 'between'>,
): readonly Joint[] {
  const indexes = Array.from({ length: count }, (_, index) => index);
  return indexes.flatMap((a) =>
    indexes.slice(a + 1).map((b) => ({ between: [a, b] as const, ...joint(a, b) })),
  );
}

/** Four Quadro RTX 8000 with two NVLink bridges. */
export const rtx8000x4 = linkedNode(
  4,
  everyPair(4, (a, b) => {
    if (a + b === 3) return { nvlinks: 2 };
    return { pcie: Math.floor(a / 2) === Math.floor(b / 2) ? 'same-numa-node' : 'across-numa-nodes' };
  }),
);

/** DGX-1 with P100: two boards of four, fully joined, and a link from each GPU to its twin; PCIe switches join 0 to 2 and 1 to 3. */
export const dgx1Pascal = linkedNode(
  8,
  everyPair(8, (a, b) => {
    if (boardOf(a) !== boardOf(b)) return { nvlinks: b - a === 4 ? 1 : 0, pcie: 'across-numa-nodes' };
    return { nvlinks: 1, pcie: b - a === 2 ? 'one-switch' : 'host-bridge' };
  }),
);

/** Links of a DGX-1 with V100, the hybrid cube mesh, by pair; the second board is wired as the first one. */
const voltaBoard: Readonly<Record<string, number>> = { '01': 1, '02': 1, '03': 2, '12': 2, '13': 1, '23': 2 };
const voltaTwins = [2, 2, 1, 1];

/** DGX-1 with V100; PCIe switches join 0 to 1 and 2 to 3. */
export const dgx1Volta = linkedNode(
  8,
  everyPair(8, (a, b) => {
    if (boardOf(a) !== boardOf(b))
      return { nvlinks: b - a === 4 ? (voltaTwins[a] ?? 0) : 0, pcie: 'across-numa-nodes' };
    const pcie = Math.floor(a / 2) === Math.floor(b / 2) ? 'one-switch' : 'host-bridge';
    return { nvlinks: voltaBoard[`${a % 4}${b % 4}`] ?? 0, pcie };
  }),
);

/** Fourteen GPUs in bridged pairs, of which the last has four links and the others two. */
export const bridgedPairs = linkedNode(
  14,
  [0, 2, 4, 6, 8, 10, 12].map((a) => ({ between: [a, a + 1] as const, nvlinks: a === 12 ? 4 : 2 })),
);

function boardOf(index: number): number {
  return Math.floor(index / 4);
}
