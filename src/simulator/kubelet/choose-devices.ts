import type { PreferenceRequest } from '../../kubelet/contract.ts';
import type { DeviceBooks, Flight } from './device-books.ts';
import { entryIds } from './pod-entries.ts';
import { shuffled, type Random } from '../seeded-random.ts';

/** One container's wish for one resource. */
export interface DeviceRequest {
  readonly podUid: string;
  readonly container: string;
  readonly resource: string;
  readonly count: number;
  /** Ids of the pod's ordinary init containers, to be taken first. */
  readonly reusable: ReadonlySet<string>;
  /** True while the kubelet starts and finds the container running: it has what it needs. */
  readonly alreadyRunning: boolean;
}

/**
 * Chooses the ids that Allocate is to be called with and marks them taken; none when no call is needed. The order of
 * things is that of devicesToAllocate (pkg/kubelet/cm/devicemanager/manager.go) with the Topology Manager's policy
 * `none`, where GetPreferredAllocation is asked even if it can only answer the whole pool. Throws the kubelet's texts.
 * @param flight collects the taken ids, so that a List meanwhile can be seen to lose them
 * @param prefer asks the plugin; null when it does not offer GetPreferredAllocation
 */
export async function chooseDevices(
  books: DeviceBooks,
  request: DeviceRequest,
  flight: Flight,
  random: Random,
  prefer: (request: PreferenceRequest) => Promise<readonly string[] | null>,
): Promise<readonly string[]> {
  const { resource, count } = request;
  const healthy = findHealthy(books, request);
  if (healthy === null) return [];

  const chosen = flight.ids;
  const takeFrom = (ids: Iterable<string>): boolean => {
    for (const id of shuffled(random, ids)) {
      if (chosen.size === count) break;
      books.allocated(resource).add(id);
      chosen.add(id);
    }
    return chosen.size === count;
  };
  if (takeFrom(request.reusable)) return [...chosen];

  const taken = books.allocated(resource);
  const available = new Set([...healthy].filter((id) => !taken.has(id)));
  const needed = count - chosen.size;
  if (available.size < needed)
    throw new Error(
      `requested number of devices unavailable for ${resource}. Requested: ${String(needed)}, Available: ${String(available.size)}`,
    );

  const requiredIds = shuffled(random, chosen);
  const availableIds = shuffled(random, [...available, ...chosen]);
  const preferred = await prefer({ availableIds, requiredIds, size: count });
  if (takeFrom((preferred ?? []).filter((id) => available.has(id)))) return [...chosen];
  if (takeFrom(available)) return [...chosen];
  throw new Error(
    `unexpectedly allocated less resources than required. Requested: ${String(count)}, Got: ${String(chosen.size)}`,
  );
}

/** The healthy ids to choose from; null when the container has all it needs. */
function findHealthy(books: DeviceBooks, request: DeviceRequest): ReadonlySet<string> | null {
  const { podUid, container, resource, count, alreadyRunning } = request;
  const entry = books.entries.get(podUid, container, resource);
  const held = entry === undefined ? new Set<string>() : entryIds(entry);
  if (entry !== undefined && held.size !== count)
    throw new Error(
      `pod "${podUid}" container "${container}" changed request for resource "${resource}" from ${String(held.size)} to ${String(count)}`,
    );
  if (alreadyRunning) return null;

  const healthy = books.healthy.get(resource);
  if (healthy === undefined) throw new Error(`cannot allocate unregistered device ${resource}`);
  if (healthy.size === 0)
    throw new Error(`no healthy devices present; cannot allocate unhealthy devices ${resource}`);
  if (!held.isSubsetOf(healthy))
    throw new Error(
      `previously allocated devices are no longer healthy; cannot allocate unhealthy devices ${resource}`,
    );
  return entry !== undefined || count === 0 ? null : healthy;
}
