import type { GpuHolder } from '../../cluster/health-news.ts';
import { decodeRecord } from '../../allocation/decode-record.ts';
import { mayList } from '../../allocation/holdings/due.ts';
import { idsText } from '../../allocation/holdings/entry.ts';
import { gpuOfId, type NodeGpus } from '../../allocation/holdings/node-gpus.ts';
import type { ContainerDevices } from '../../kubelet/contract.ts';
import { readCheckpoint, type CheckpointEntry } from '../../kubelet/checkpoint.ts';
import { listHeldDevices } from '../../kubelet/pod-resources.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Node } from '../node.ts';

export interface FindHoldersDeps {
  readonly kubeletFolder: string;
  readonly podResourcesSocket: string;
  readonly clock: Clock;
}

/** How often, and how long apart, the kubelet is tried while it asks for devices itself. */
const tries = 20;
const pauseMs = 250;

/**
 * The containers that have GPUs, or parts of them, as far as the kubelet tells their pods by name and by uid. It is asked, where books are kept
 * too: they learn a pod's uid half a minute late. Empty when it cannot be asked; then pods go without an Event.
 * @throws OperatorError, or an `AbortError` when the signal aborts first
 */
export async function findHolders(
  { books }: Pick<Node, 'books'>,
  deps: FindHoldersDeps,
  signal: AbortSignal,
): Promise<readonly GpuHolder[]> {
  const { calls, offer } = books;
  const isQuiet = (): boolean => mayList(calls.now, deps.clock.now());
  for (let turn = 0; turn < tries; turn += 1) {
    const listed = isQuiet() ? await listHeldDevices(deps.podResourcesSocket, isQuiet, signal) : 'busy';
    if (listed === null) return [];
    if (listed !== 'busy') return joinHolders(listed, await readCheckpoint(deps.kubeletFolder), offer.node);
    await deps.clock.sleep(pauseMs, signal);
  }
  return [];
}

/** Containers by name, of the one, with their pods' uids, of the other. What the checkpoint has of two pods is told of none. */
export function joinHolders(
  listed: readonly ContainerDevices[],
  booked: readonly CheckpointEntry[],
  node: NodeGpus,
): readonly GpuHolder[] {
  const byIds = Map.groupBy(booked, (entry) => keyOf(entry.container, entry.resource, entry.deviceIds));
  // The kubelet may list the devices of one container in several rows, for example by NUMA node.
  const rows = Map.groupBy(listed, ({ namespace, pod, container, resourceName }) =>
    JSON.stringify([namespace, pod, container, resourceName]),
  );
  const holders = [...rows.values()].flatMap((ofOne) => {
    const [first] = ofOne;
    if (first === undefined) return [];
    const { namespace, pod, container, resourceName } = first;
    const ids = ofOne.flatMap(({ deviceIds }) => deviceIds);
    const [entry, another] = byIds.get(keyOf(container, resourceName, ids)) ?? [];
    if (entry === undefined || another !== undefined) return [];
    return gpusHeld(entry, node).map((gpu) => ({ gpu, namespace, pod, container, podUid: entry.podUid }));
  });
  const unique = new Map(holders.map((holder) => [Object.values(holder).join(' '), holder]));
  return [...unique.values()];
}

function gpusHeld({ record, deviceIds }: CheckpointEntry, node: NodeGpus): readonly string[] {
  const ours = record === null ? null : decodeRecord(record);
  if (ours !== null) return ours.gpus.map(({ uuid }) => uuid);
  return deviceIds.flatMap((id) => gpuOfId(id, node) ?? []);
}

function keyOf(container: string, resource: string, ids: readonly string[]): string {
  return `${container} ${resource} ${idsText(ids)}`;
}
