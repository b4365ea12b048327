import type { ClusterNode } from './cluster-node.ts';
import { readRunningContainers, type RunningContainer } from './oracle.ts';

/** What a running container has, by its own environment. */
export type Share = Pick<RunningContainer, 'pod' | 'container' | 'gpus' | 'memoryMiB'>;

/** What all running containers of a test have, at one and the same moment. */
export async function readShares({ cluster, namespace }: ClusterNode): Promise<readonly Share[]> {
  return (await readRunningContainers(cluster)).filter((each) => each.namespace === namespace);
}

/**
 * Finds GPUs that are given beyond what they have: twice whole, whole and in parts at once, or more memory than is offered.
 * @param offeredMiB of each GPU
 */
export function findOverbooked(shares: readonly Share[], offeredMiB: number): readonly string[] {
  const claims = shares.flatMap((share) => share.gpus.map((gpu) => ({ gpu, share })));
  return [...Map.groupBy(claims, ({ gpu }) => gpu)].flatMap(([gpu, held]) => {
    const amounts = held.map(({ share }) => share.memoryMiB);
    const isWhole = amounts.includes(null);
    const sum = amounts.reduce<number>((total, mib) => total + (mib ?? 0), 0);
    const holders = held.map(({ share }) => `${share.pod}/${share.container}: ${share.memoryMiB ?? 'whole'}`);
    return (isWhole && held.length > 1) || sum > offeredMiB ? [`${gpu} is in ${holders.join(', ')}`] : [];
  });
}

/** The one GPU of a pod with memory, and how much of it; throws when its container has not exactly one. */
export function shareOf(
  shares: readonly Share[],
  pod: string,
  container = 'main',
): { gpu: string; mib: number } {
  const found = shares.find((share) => share.pod === pod && share.container === container);
  const [gpu, ...others] = found?.gpus ?? [];
  const mib = found?.memoryMiB ?? null;
  if (gpu === undefined || others.length > 0 || mib === null)
    throw new Error(`${pod}/${container} has no share of one GPU: ${JSON.stringify(found)}`);
  return { gpu, mib };
}
