import type { Gpu, GpuLink, PcieDistance } from '../../inventory/gpu.ts';

/** How well GPUs are joined, pair by pair. */
export interface LinkScores {
  /** Higher is better; the same both ways; 0 where nothing is known of the pair. */
  between(uuid: string, otherUuid: string): number;
}

/** What a score is made from. */
export type LinkedGpu = Pick<Gpu, 'uuid' | 'numaNode' | 'links'>;

/**
 * Scores every pair of a node's GPUs: 100 for each NVLink, straight or through a switch, and up to 60 for PCIe. The numbers are
 * those of NVIDIA's plugin (go-gpuallocator: gpuallocator/besteffort_policy.go), which does not see links through a switch.
 *
 * The two ends of a pair may disagree: links that are down at one end carry nothing, so the lower count holds. Where an end says
 * nothing of the other, as a GPU that cannot be read, the other's word is taken. Where neither knows the way over PCIe, their NUMA
 * nodes tell.
 */
export function scoreMatrix(gpus: readonly LinkedGpu[]): LinkScores {
  const ends = new Map(gpus.map(({ uuid, numaNode, links }) => [uuid, { numaNode, links: byTarget(links) }]));
  return {
    between(uuid, otherUuid) {
      const end = ends.get(uuid);
      const otherEnd = ends.get(otherUuid);
      if (end === undefined || otherEnd === undefined || uuid === otherUuid) return 0;
      const there = end.links.get(otherUuid);
      const back = otherEnd.links.get(uuid);
      const nvlinks = lower(count(there?.nvlinks), count(back?.nvlinks));
      const nvswitchLinks = lower(count(there?.nvswitchLinks), count(back?.nvswitchLinks));
      const pcie =
        lower(pcieScore(there?.pcie), pcieScore(back?.pcie)) ?? numaScore(end.numaNode, otherEnd.numaNode);
      return 100 * ((nvlinks ?? 0) + (nvswitchLinks ?? 0)) + pcie;
    },
  };
}

const pcieScores: Readonly<Record<PcieDistance, number>> = {
  'same-board': 60,
  'one-switch': 50,
  'several-switches': 40,
  'host-bridge': 30,
  'same-numa-node': 20,
  'across-numa-nodes': 10,
};

/** More links than any GPU has, so that sums stay exact whatever a driver says. */
const maxLinks = 1000;

function byTarget(links: readonly GpuLink[]): ReadonlyMap<string, GpuLink> {
  return new Map(links.map((link) => [link.toUuid, link]));
}

function count(links: number | undefined): number | null {
  if (links === undefined) return null;
  return links > 0 ? Math.min(Math.floor(links), maxLinks) : 0;
}

function pcieScore(pcie: PcieDistance | null | undefined): number | null {
  return pcie === undefined || pcie === null ? null : pcieScores[pcie];
}

function numaScore(node: number | null, otherNode: number | null): number {
  if (node === null || otherNode === null) return 0;
  return pcieScores[node === otherNode ? 'same-numa-node' : 'across-numa-nodes'];
}

function lower(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
