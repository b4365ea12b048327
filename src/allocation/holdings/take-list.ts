import { idsText, type Entry } from './entry.ts';
import type { ListedDevices } from './events.ts';
import type { Holdings } from './holdings.ts';
import type { Seen } from './take-checkpoint.ts';

/** A container's devices of one resource, in one piece: the kubelet names each id apart. */
interface ListedContainer {
  readonly devices: ListedDevices;
  readonly ids: Set<string>;
}

/**
 * Marks what a List shows. The List knows no pod UIDs, so a container is recognized by its name and ids; of several answers with the
 * same ids it is the newest, because a pod's init containers are answered before its app containers.
 */
export function takeList(holdings: Holdings, listed: readonly ListedDevices[], atMs: number): Seen {
  const containers = joinById(listed);
  const byIds = Map.groupBy(containers, ({ devices, ids }) => `${devices.resourceName} ${idsText(ids)}`);
  const shownBy = new Map<number, ListedDevices>();
  const taken = new Set<ListedContainer>();
  for (const entry of byPreference(holdings.entries)) {
    const match = (byIds.get(`${entry.resource} ${entry.idsText}`) ?? []).find(
      (container) => !taken.has(container) && isSameContainer(entry, container.devices),
    );
    if (match === undefined) continue;
    taken.add(match);
    shownBy.set(entry.sequence, match.devices);
  }
  const entries = holdings.entries.map((entry) => markShown(entry, shownBy.get(entry.sequence), atMs));
  const listedIds = new Map(
    [...Map.groupBy(containers, ({ devices }) => devices.resourceName)].map(
      ([resource, group]) => [resource, new Set(group.flatMap(({ ids }) => [...ids]))] as const,
    ),
  );
  return { holdings: { ...holdings, entries, listedIds, lastListMs: atMs }, found: new Set(shownBy.keys()) };
}

function joinById(listed: readonly ListedDevices[]): readonly ListedContainer[] {
  const joined = new Map<string, ListedContainer>();
  for (const devices of listed) {
    const name = JSON.stringify([devices.namespace, devices.pod, devices.container, devices.resourceName]);
    const known = joined.get(name) ?? { devices, ids: new Set() };
    for (const id of devices.deviceIds) known.ids.add(id);
    joined.set(name, known);
  }
  return [...joined.values()];
}

/**
 * The newest first: ids that were given anew are no longer the older one's, though a pod of the same name may have it. What the
 * kubelet does not count any more it does not list.
 */
function byPreference(entries: readonly Entry[]): readonly Entry[] {
  return entries
    .filter(({ afterlife }) => afterlife === null)
    .toSorted((a, b) => Number(a.dropped) - Number(b.dropped) || b.sequence - a.sequence);
}

function isSameContainer({ shown, owner }: Entry, devices: ListedDevices): boolean {
  if (shown !== null)
    return (
      shown.pod === devices.pod &&
      shown.namespace === devices.namespace &&
      shown.container === devices.container
    );
  return owner === null || owner.container === devices.container;
}

function markShown(entry: Entry, by: ListedDevices | undefined, atMs: number): Entry {
  if (by === undefined)
    return entry.shown === null || entry.vanishedMs !== null ? entry : { ...entry, vanishedMs: atMs };
  const { namespace, pod, container } = by;
  return { ...entry, shown: { namespace, pod, container }, listedMs: atMs, vanishedMs: null };
}
