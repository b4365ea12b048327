import { readCheckpoint } from '../../kubelet/checkpoint.ts';
import { listHeldDevices } from '../../kubelet/pod-resources.ts';
import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import { msToStep } from '../../lib/in-step.ts';
import type { Log } from '../../lib/log.ts';
import { onceEach } from '../../lib/once-each.ts';
import { leavingMs } from '../../resources/roster.ts';
import { mayList } from '../../allocation/holdings/due.ts';
import type { Calls } from '../offers/calls.ts';
import type { Offered } from '../offers/offer.ts';

export interface LetGoDeps {
  readonly kubeletFolder: string;
  readonly podResourcesSocket: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears that devices have left the lists. */
  readonly onLeft: () => void;
  readonly calls: Calls;
}

const lookEveryMs = 1000;
/**
 * Time between two questions to the kubelet about the same devices, while a pod holds them. It is doubled from one to the next: the first
 * answer may be that of a busy kubelet that has not written its records in time.
 */
const firstAgainMs = 3000;
const longestAgainMs = 30_000;
/** The kubelet writes its records for each list that it receives; one that is not busy does within this time. */
const recordsWrittenMs = 1000;

/**
 * Takes devices off the lists that are gone from the node, once they have been shown Unhealthy for long enough and the kubelet's
 * own records say that no pod holds them. One task for all resources, because the kubelet must be left alone while any of them is
 * asked for. Runs until the signal aborts.
 * @param offers those in force now
 */
export async function letLeaversGo(
  offers: () => readonly Offered[],
  deps: LetGoDeps,
  signal: AbortSignal,
): Promise<void> {
  let askedMs = Number.NEGATIVE_INFINITY;
  let againMs = firstAgainMs;
  let askedOf: ReadonlySet<string> = new Set();
  const sayOnce = onceEach((text) => deps.log.warn(text));
  while (!signal.aborted) {
    const nowMs = deps.clock.now();
    const due = offers().flatMap((offer) =>
      offer.leaving
        .filter(({ sinceMs }) => nowMs - sinceMs >= leavingMs)
        .map(({ id }) => ({ offer, key: `${offer.resource} ${id}` })),
    );
    const isNew = due.some(({ key }) => !askedOf.has(key));
    if (due.length > 0 && (isNew || nowMs - askedMs >= againMs) && isQuiet(deps)) {
      const asked = await askAndLetGo([...new Set(due.map(({ offer }) => offer))], deps, sayOnce, signal);
      if (asked) {
        againMs = isNew ? firstAgainMs : Math.min(longestAgainMs, 2 * againMs);
        askedMs = nowMs;
        askedOf = new Set(due.map(({ key }) => key));
      }
    }
    await deps.clock.sleep(msToStep(deps.clock, lookEveryMs), signal).catch(() => undefined);
  }
}

function isQuiet({ calls, clock }: LetGoDeps): boolean {
  return mayList(calls.now, clock.now());
}

/** False when the kubelet turned busy before it could be asked. */
async function askAndLetGo(
  due: readonly Offered[],
  deps: LetGoDeps,
  sayOnce: (text: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const held = await heldDevices(due, deps, signal);
    if (held === 'busy') return false;
    for (const offer of due) {
      const before = offer.leaving.map(({ id }) => id);
      offer.letGo(held.get(offer.resource) ?? new Set());
      const waiting = new Set(offer.leaving.map(({ id }) => id));
      const left = before.filter((id) => !waiting.has(id));
      if (left.length === 0) continue;
      const fields = { resource: offer.resource, devices: left.slice(0, 10), count: left.length };
      deps.log.info(fields, 'devices that are no longer offered are off the list');
      deps.onLeft();
    }
  } catch (thrown) {
    if (!signal.aborted) sayOnce(`devices that are no longer offered stay listed: ${describeError(thrown)}`);
  }
  return true;
}

/**
 * Ids that the kubelet has booked, by resource. Its records forget an ended pod only when the pod resources have been listed *and* a
 * device list has arrived after that, in this order.
 */
async function heldDevices(
  due: readonly Offered[],
  deps: LetGoDeps,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ReadonlySet<string>> | 'busy'> {
  const quiet = (): boolean => isQuiet(deps);
  const listed = (await listHeldDevices(deps.podResourcesSocket, quiet, signal)) ?? [];
  if (listed === 'busy') return listed;
  for (const offer of due) offer.resend();
  await deps.clock.sleep(recordsWrittenMs, signal);
  const booked = await readCheckpoint(deps.kubeletFolder);
  const held = new Map<string, Set<string>>();
  for (const { resource, deviceIds } of [
    ...listed.map(({ resourceName, deviceIds: ids }) => ({ resource: resourceName, deviceIds: ids })),
    ...booked,
  ]) {
    const ids = held.get(resource) ?? new Set();
    for (const id of deviceIds) ids.add(id);
    held.set(resource, ids);
  }
  return held;
}
