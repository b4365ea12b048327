import type { ScenarioInput } from './scenario-schema.ts';

type InputGpu = NonNullable<ScenarioInput['gpus']>[number];
type InputLink = NonNullable<ScenarioInput['links']>[number];

/** The eight GPUs of a DGX-1 board on their PCI buses: two sockets with four each. */
export function dgx1Gpus(buses: readonly string[], firstNumaNode: number): InputGpu[] {
  return buses.map((bus, at) => ({
    model: 'v100-sxm2-32gb',
    pciBusId: `00000000:${bus}:00.0`,
    numaNode: firstNumaNode + (at < 4 ? 0 : 1),
  }));
}

/**
 * The wires of a DGX-1 board, whose GPUs stand at the positions from `first` on: a hybrid cube mesh, in which a GPU has six
 * NVLinks to four of the seven others.
 */
export function dgx1Links(first: number): InputLink[] {
  const pairs = cubeMesh.flatMap((row, from) =>
    row.split('').map((wires, offset) => ({ from, to: from + 1 + offset, nvlinks: Number(wires) })),
  );
  return pairs.flatMap(({ from, to, nvlinks }): InputLink[] => {
    const sameSocket = from < 4 === to < 4;
    const pcie = from % 2 === 0 && to === from + 1 ? 'one-switch' : 'host-bridge';
    if (!sameSocket) return nvlinks === 0 ? [] : [{ between: [first + from, first + to], nvlinks }];
    return [{ between: [first + from, first + to], nvlinks, pcie }];
  });
}

/** NVLinks from each GPU to the ones after it, as `nvidia-smi topo -m` prints them for a DGX-1 with V100. */
const cubeMesh = ['1122000', '210200', '20010', '0001', '112', '21', '2'] as const;

/** The sixteen GPUs of a DGX-2: two sockets with eight each. */
export function dgx2Gpus(): InputGpu[] {
  return dgx2Buses.map((bus, at) => ({
    model: 'v100-sxm3-32gb',
    pciBusId: `00000000:${bus}:00.0`,
    numaNode: at < 8 ? 0 : 1,
  }));
}

const dgx2Buses = '34 36 39 3b 57 59 5c 5e b7 b9 bc be e0 e2 e5 e7'.split(' ');

/** The PCIe side of a DGX-2: a switch for every two GPUs, and one above every two of these. */
export function dgx2Links(): InputLink[] {
  return [0, 4, 8, 12].flatMap((first) =>
    [0, 1, 2].flatMap((from) =>
      [1, 2, 3]
        .filter((to) => to > from)
        .map((to): InputLink => {
          const pcie = from % 2 === 0 && to === from + 1 ? 'one-switch' : 'several-switches';
          return { between: [first + from, first + to], pcie };
        }),
    ),
  );
}
