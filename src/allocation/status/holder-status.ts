import { parseDeviceId } from '../../resources/device-id.ts';
import { isPending, type Entry } from '../holdings/entry.ts';
import { gpuOfId, isForeign, isMemory, type NodeGpus } from '../holdings/node-gpus.ts';

/** A container with what it holds on one GPU. */
export interface HolderStatus {
  /** By what name the kubelet lists it; `null` until it has. */
  readonly namespace: string | null;
  readonly pod: string | null;
  readonly container: string | null;
  readonly podUid: string | null;
  readonly resource: string;
  readonly share: Share;
  /** Memory units; `null` for everything else. */
  readonly units: number | null;
  /** Memory that is booked for it; `null` for time slices, which book none, and where the driver did not say. */
  readonly memoryMiB: number | null;
  /** Ids of its devices on this GPU; empty for memory, whose units are tied to none. */
  readonly devices: readonly string[];
  readonly state: HolderState;
}

/** In which way a GPU is held. */
export type Share = 'whole' | 'memory' | 'mig' | 'time-slice';

/**
 * `held`: by the kubelet's books. `pending`: answered, and not in its books yet. `ending`: no longer in its list of pods, still booked.
 * `orphan`: lost by a kubelet that restarted; its containers may run on. `releasing`: free for the kubelet, and here after the configured
 * delay. `inherited`: given out by another plugin. `foreign`: nobody can tell what it holds.
 */
export type HolderState = 'held' | 'pending' | 'ending' | 'orphan' | 'releasing' | 'inherited' | 'foreign';

/**
 * An entry of the books as a person is told of it.
 * @param gpu UUID of the GPU; `null` for an entry that is on none of this node
 */
export function describeHolder(entry: Entry, gpu: string | null, node: NodeGpus): HolderStatus {
  const { shown, owner, resource, ids } = entry;
  const devices = isMemory(entry, node)
    ? []
    : [...ids].filter((id) => gpu === null || gpuOfId(id, node) === gpu);
  const share = shareOf(entry, devices, node);
  return {
    namespace: shown?.namespace ?? null,
    pod: shown?.pod ?? null,
    container: shown?.container ?? owner?.container ?? null,
    podUid: owner?.podUid ?? null,
    resource,
    share,
    units: share === 'memory' ? ids.size : null,
    memoryMiB: share === 'time-slice' ? null : bookedMiB(entry, gpu),
    devices,
    state: stateOf(entry, node),
  };
}

function shareOf(entry: Entry, devices: readonly string[], node: NodeGpus): Share {
  if (isMemory(entry, node)) return 'memory';
  const parsed = devices.map((id) => parseDeviceId(id));
  if (parsed.some(({ replica }) => replica !== null)) return 'time-slice';
  return parsed.some(({ uuid }) => uuid.startsWith('MIG-')) ? 'mig' : 'whole';
}

function bookedMiB({ record }: Entry, gpu: string | null): number | null {
  const mine = (record?.gpus ?? []).filter(({ uuid }) => gpu === null || uuid === gpu);
  if (mine.length === 0 || mine.some(({ mib }) => mib === null)) return null;
  return mine.reduce((sum, { mib }) => sum + (mib ?? 0), 0);
}

function stateOf(entry: Entry, node: NodeGpus): HolderState {
  if (entry.afterlife !== null) return entry.afterlife.kind;
  if (isForeign(entry, node)) return 'foreign';
  if (entry.vanishedMs !== null) return 'ending';
  if (entry.record === null) return 'inherited';
  return isPending(entry) ? 'pending' : 'held';
}
