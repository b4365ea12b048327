import type { KnownRequest } from './preferred-request.ts';

/** How the replicas of shared devices are chosen; `sharedDevicesAllocationPolicy` of the config. */
export type SharedDevicesPolicy = 'distributed' | 'packed' | 'spread';

/** What the devices of a list are parts of, all in words of positions and of numbers in order of first device. */
export interface ShareGroups {
  /** By position of a device: the GPU or MIG instance that it is a replica of, or is itself. */
  readonly shareOf: Int32Array;
  /** By share: the GPU that it is, or is cut from. */
  readonly gpuOf: Int32Array;
  /** By share: listed devices. */
  readonly shareSizes: Int32Array;
  /** By GPU: listed devices. */
  readonly gpuSizes: Int32Array;
}

/**
 * Chooses among shared devices, and among MIG instances, one after the other. The rule is that of NVIDIA's plugin (k8s-device-plugin:
 * internal/rm/allocate.go): a device that is listed and cannot be chosen counts as allocated. Where it leaves the choice to chance,
 * the same rule holds among the GPUs that MIG instances are cut from, and then the list's order.
 * @returns positions, ascending
 */
export function chooseShares(
  request: KnownRequest,
  groups: ShareGroups,
  policy: SharedDevicesPolicy,
): readonly number[] {
  const shares = countShares(request, groups);
  const precedes = comparisons[policy];
  for (let picked = 0; picked < request.picks; picked += 1) {
    let best: Share | null = null;
    for (const share of shares)
      if (share.available > 0 && (best === null || precedes(share, best) < 0)) best = share;
    if (best === null) break;
    best.available -= 1;
    for (const usage of [best.own, best.gpu]) {
      usage.allocated += 1;
      usage.picked += 1;
    }
    best.taken += 1;
  }
  return firstOfEach(shares, request.available, groups.shareOf);
}

/** Groups a list's devices. A replica is told by its id, `<GPU or MIG instance>::<n>`. */
export function groupShares(
  devices: readonly { readonly id: string; readonly gpuUuid: string }[],
): ShareGroups {
  const shareNumbers = new Map<string, number>();
  const gpuNumbers = new Map<string, number>();
  const shareOf = new Int32Array(devices.length);
  const gpuOf: number[] = [];
  const shareSizes: number[] = [];
  const gpuSizes: number[] = [];
  let last = { share: '', number: -1 };
  for (const [position, { id, gpuUuid }] of devices.entries()) {
    const end = shareEnd(id);
    // Most devices are of the share of the one before, and thousands of them are told so faster than by their own text.
    if (last.share.length !== end || !id.startsWith(last.share) || last.number < 0) {
      const share = id.slice(0, end);
      last = { share, number: numberOf(share, shareNumbers) };
    }
    const gpu = gpuOf[last.number] ?? numberOf(gpuUuid, gpuNumbers);
    shareOf[position] = last.number;
    gpuOf[last.number] = gpu;
    shareSizes[last.number] = (shareSizes[last.number] ?? 0) + 1;
    gpuSizes[gpu] = (gpuSizes[gpu] ?? 0) + 1;
  }
  return {
    shareOf,
    gpuOf: Int32Array.from(gpuOf),
    shareSizes: Int32Array.from(shareSizes),
    gpuSizes: Int32Array.from(gpuSizes),
  };
}

function numberOf(name: string, numbers: Map<string, number>): number {
  const known = numbers.get(name) ?? numbers.size;
  numbers.set(name, known);
  return known;
}

function shareEnd(id: string): number {
  const end = id.lastIndexOf('::');
  return end === -1 ? id.length : end;
}

/** Replicas that are allocated already, those chosen here with them, and those that this container has. */
interface Usage {
  allocated: number;
  picked: number;
}

interface Share {
  readonly own: Usage;
  readonly gpu: Usage;
  available: number;
  /** Chosen here; unlike `own.picked` without those that are required. */
  taken: number;
}

type Comparison = (a: Share, b: Share) => number;

const fewestAllocated = (a: Usage, b: Usage): number => a.allocated - b.allocated;
const fewestPicked = (a: Usage, b: Usage): number => a.picked - b.picked;

const pickedThenAllocated = (a: Usage, b: Usage): number => fewestPicked(a, b) || fewestAllocated(a, b);

const comparisons: Readonly<Record<SharedDevicesPolicy, Comparison>> = {
  distributed: onSharesThenGpus((a, b) => fewestAllocated(a, b) || fewestPicked(a, b)),
  packed: onSharesThenGpus((a, b) => fewestAllocated(b, a) || fewestPicked(a, b)),
  // Another instance of a GPU that this container has is worth less than any other GPU.
  spread: (a, b) => fewestPicked(a.gpu, b.gpu) || onSharesThenGpus(pickedThenAllocated)(a, b),
};

function onSharesThenGpus(compare: (a: Usage, b: Usage) => number): Comparison {
  return (a, b) => compare(a.own, b.own) || compare(a.gpu, b.gpu);
}

/** In order of first device, so that of equal shares the one of the lowest GPU index comes first. */
function countShares(request: KnownRequest, groups: ShareGroups): readonly Share[] {
  const { shareOf, gpuOf, shareSizes, gpuSizes } = groups;
  const gpus = Array.from(gpuSizes, (size): Usage => ({ allocated: size, picked: 0 }));
  const shares = Array.from(shareSizes, (size, share): Share => {
    const gpu = gpus[gpuOf[share] ?? 0] ?? { allocated: size, picked: 0 };
    return { own: { allocated: size, picked: 0 }, gpu, available: 0, taken: 0 };
  });
  for (let position = 0; position < shareOf.length; position += 1) {
    const share = request.available[position] === 1 ? shares[shareOf[position] ?? 0] : undefined;
    if (share === undefined) continue;
    share.available += 1;
    share.own.allocated -= 1;
    share.gpu.allocated -= 1;
  }
  for (const position of request.required) {
    const share = shares[shareOf[position] ?? 0];
    if (share === undefined) continue;
    share.own.picked += 1;
    share.gpu.picked += 1;
  }
  return shares;
}

/** Of each share as many devices as were taken from it, first ones first. */
function firstOfEach(
  shares: readonly Share[],
  available: Uint8Array,
  shareOf: Int32Array,
): readonly number[] {
  const left = shares.map(({ taken }) => taken);
  const positions: number[] = [];
  for (let position = 0; position < shareOf.length; position += 1) {
    const share = shareOf[position] ?? 0;
    if (available[position] !== 1 || (left[share] ?? 0) === 0) continue;
    left[share] = (left[share] ?? 0) - 1;
    positions.push(position);
  }
  return positions;
}
