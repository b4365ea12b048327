import { memoryResource } from '../support/memory-pods.ts';
import type { CheckpointEntry } from '../support/oracle.ts';
import { gpuResource } from '../support/pod-spec.ts';
import type { Share } from '../support/shares.ts';
import { unitMiB } from './gpus-of-soak.ts';

/** UUIDs of the GPUs that the kubelet has written down for a container, sorted: of memory by the record in the stored answer. */
export function gpusOfEntry({ resource, ids, annotations }: CheckpointEntry): readonly string[] {
  if (resource === gpuResource) return ids;
  if (resource !== memoryResource) return [];
  const { gpus } = JSON.parse(annotations?.['slicewise.io/allocation'] ?? '{"gpus":[]}') as {
    gpus: readonly { readonly uuid: string }[];
  };
  return gpus.map(({ uuid }) => uuid).toSorted();
}

/** UUIDs of the GPUs of which the kubelet has written down that memory is held. */
export function gpusWithMemory(checkpoint: readonly CheckpointEntry[]): ReadonlySet<string> {
  return new Set(checkpoint.filter(({ resource }) => resource === memoryResource).flatMap(gpusOfEntry));
}

/**
 * What each pod has of each GPU, by the kubelet's records. Containers of a pod share the ids of its init containers, so an id counts
 * once for each pod.
 */
export function bookedShares(checkpoint: readonly CheckpointEntry[]): readonly Share[] {
  const booked = checkpoint.flatMap((entry) => gpusOfEntry(entry).map((gpu) => ({ entry, gpu })));
  const groups = Map.groupBy(booked, ({ entry, gpu }) => `${entry.podUid} ${gpu} ${entry.resource}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const ids = new Set(group.flatMap(({ entry }) => entry.ids));
    const isWhole = first.entry.resource === gpuResource;
    const containers = group.map(({ entry }) => entry.container).join('+');
    return [
      {
        pod: first.entry.podUid,
        container: containers,
        gpus: [first.gpu],
        memoryMiB: isWhole ? null : ids.size * unitMiB,
      },
    ];
  });
}
