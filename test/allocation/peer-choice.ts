import type { LinkedGpu } from '../../src/allocation/preferred/topology.ts';

/**
 * What NVIDIA's plugin would choose (go-gpuallocator: gpuallocator/besteffort_policy.go), modelled from its description and by
 * trying everything: the split of the available GPUs into sets of the asked size with the highest total, then its best set with the
 * required GPUs. Where the GPUs do not divide evenly, one set is incomplete and cannot be given. `null`: it gives nothing.
 */
export function choosePeerSet(
  score: PairScore,
  request: {
    readonly available: readonly number[];
    readonly required: readonly number[];
    readonly size: number;
  },
): readonly number[] | null {
  const { available, required, size } = request;
  let best: readonly (readonly number[])[] = [];
  let bestTotal = -1;
  const isGood = (set: readonly number[]): boolean => required.every((each) => set.includes(each));
  for (const split of size === 1 ? available.map((each) => [[each]]) : splits(available, size)) {
    const good = split.filter((set) => set.length === size && isGood(set));
    const total = split.reduce((sum, set) => sum + sumOfPairs(set, score), 0);
    if (good.length === 0 || total <= bestTotal) continue;
    best = good;
    bestTotal = total;
  }
  const [first, ...others] = best;
  if (first === undefined) return null;
  return others.reduce((a, b) => (sumOfPairs(b, score) > sumOfPairs(a, score) ? b : a), first);
}

export type PairScore = (a: number, b: number) => number;

/** Its score of a pair; links through a switch are none to it. */
export function peerScore(gpus: readonly LinkedGpu[]): PairScore {
  const points = {
    'across-numa-nodes': 10,
    'same-numa-node': 20,
    'host-bridge': 30,
    'several-switches': 40,
    'one-switch': 50,
    'same-board': 60,
  };
  return (a, b) => {
    const link = gpus[a]?.links.find(({ toUuid }) => toUuid === gpus[b]?.uuid);
    if (link === undefined) return 0;
    return 100 * Math.min(link.nvlinks, 18) + (link.pcie === null ? 0 : points[link.pcie]);
  };
}

export function sumOfPairs(set: readonly number[], score: PairScore): number {
  return set.reduce(
    (sum, a, place) => sum + set.slice(place + 1).reduce((each, b) => each + score(a, b), 0),
    0,
  );
}

/** All sets of a size, in order of their members. */
export function setsOf(members: readonly number[], size: number): readonly (readonly number[])[] {
  if (size === 0) return [[]];
  return members.flatMap((first, place) =>
    setsOf(members.slice(place + 1), size - 1).map((others) => [first, ...others]),
  );
}

function* splits(members: readonly number[], size: number): Generator<readonly (readonly number[])[]> {
  const rest = members.length % size;
  if (rest === 0) yield* evenSplits(members, size);
  else
    for (const incomplete of setsOf(members, rest))
      for (const split of evenSplits(
        members.filter((each) => !incomplete.includes(each)),
        size,
      ))
        yield [...split, incomplete];
}

function* evenSplits(members: readonly number[], size: number): Generator<readonly (readonly number[])[]> {
  const [first, ...others] = members;
  if (first === undefined) yield [];
  else
    for (const companions of setsOf(others, size - 1))
      for (const split of evenSplits(
        others.filter((each) => !companions.includes(each)),
        size,
      ))
        yield [[first, ...companions], ...split];
}
