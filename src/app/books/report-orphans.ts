import type { Entry } from '../../allocation/holdings/entry.ts';
import { gpusOf, type NodeGpus } from '../../allocation/holdings/node-gpus.ts';
import type { OrphanEnd, OrphanNews } from '../../allocation/holdings/orphan-news.ts';
import type { Snapshot } from '../../inventory/gpu.ts';
import type { Log } from '../../lib/log.ts';

/** Says of each container that the kubelet has lost what that means and what to do, and later why it counts no more. */
export function reportOrphans(
  news: readonly OrphanNews[],
  node: NodeGpus,
  snapshot: Snapshot | undefined,
  log: Log,
): void {
  for (const each of news) {
    const gpus = gpusOf(each.entry, node);
    const facts = { ...describeHolder(each.entry), resource: each.entry.resource, gpus };
    const where = gpus.map((uuid) => nameGpu(uuid, snapshot)).join(', ');
    if (each.kind === 'ended') {
      log.info(facts, `${where}: ${endings[each.why]}`);
      continue;
    }
    log.warn(
      facts,
      `the kubelet has lost its record of a container on ${where}, which may run on: what it was given stays booked until ` +
        "the GPU's memory is seen unused, the node is rebooted, or an admin who has seen that the container is gone says so " +
        `with 'slicewise orphans release ${gpus[0] ?? '<gpu>'}'`,
    );
  }
}

const endings = {
  unused: "a container that the kubelet had lost has ended: the GPU's memory is in use no more",
  acknowledged: 'a container that the kubelet had lost has ended: an admin has said so',
  found: 'the kubelet knows again of a container that it had lost',
} as const satisfies Readonly<Record<OrphanEnd, string>>;

function describeHolder({ shown, owner }: Entry): object {
  if (shown !== null) return { pod: `${shown.namespace}/${shown.pod}`, container: shown.container };
  return owner === null ? {} : { podUid: owner.podUid, container: owner.container };
}

function nameGpu(uuid: string, snapshot: Snapshot | undefined): string {
  const index = snapshot?.gpus.find((gpu) => gpu.uuid === uuid)?.index;
  return index === undefined ? uuid : `GPU ${index} (${uuid})`;
}
