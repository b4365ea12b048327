import { readCheckpoint } from '../kubelet/checkpoint.ts';
import { listHeldDevices } from '../kubelet/pod-resources.ts';
import type { Clock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { leavingMs } from '../resources/roster.ts';
import type { Offer } from './offer.ts';

export interface LetGoDeps {
  readonly kubeletFolder: string;
  readonly podResourcesSocket: string;
  readonly clock: Clock;
  readonly log: Log;
}

const lookEveryMs = 1000;
/** Time between two questions to the kubelet about the same devices, while a pod holds them. */
const askAgainMs = 30_000;
/** After an Allocate, or the question for preferred devices before it, the kubelet's pod resources must not be listed for a moment. */
const quietMs = 100;
/** The kubelet writes its records for each list that it receives; this is ample. */
const recordsWrittenMs = 1000;

/**
 * Takes devices off the list that are gone from the node, once they have been shown Unhealthy for long enough and the kubelet's
 * own records say that no pod holds them. Runs until the signal aborts.
 */
export async function letLeaversGo(offer: Offer, deps: LetGoDeps, signal: AbortSignal): Promise<void> {
  let askedMs = Number.NEGATIVE_INFINITY;
  const sayOnce = onceEach((text) => deps.log.warn({ resource: offer.resource }, text));
  while (!signal.aborted) {
    const nowMs = deps.clock.now();
    const due = offer.leaving.some(({ sinceMs }) => nowMs - sinceMs >= leavingMs);
    if (due && isQuiet(offer, deps) && nowMs - askedMs >= askAgainMs) {
      const asked = await askAndLetGo(offer, deps, sayOnce, signal);
      if (asked) askedMs = nowMs;
    }
    await deps.clock.sleep(lookEveryMs, signal).catch(() => undefined);
  }
}

function isQuiet(offer: Offer, { clock }: LetGoDeps): boolean {
  return clock.now() - offer.lastCallMs >= quietMs;
}

/** False when the kubelet turned busy before it could be asked. */
async function askAndLetGo(
  offer: Offer,
  deps: LetGoDeps,
  sayOnce: (text: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const names = offer.leaving.map(({ id }) => id);
  try {
    const held = await heldDevices(offer, deps, signal);
    if (held === 'busy') return false;
    offer.letGo(held);
    const left = names.filter((id) => !offer.leaving.some((device) => device.id === id));
    if (left.length > 0) deps.log.info({ devices: left }, 'devices that left the node are off the list');
  } catch (thrown) {
    if (!signal.aborted) sayOnce(`devices that left the node stay listed: ${describeError(thrown)}`);
  }
  return true;
}

/**
 * Ids that the kubelet has booked. Its records forget an ended pod only when the pod resources have been listed *and* a device
 * list has arrived after that, in this order.
 */
async function heldDevices(
  offer: Offer,
  deps: LetGoDeps,
  signal: AbortSignal,
): Promise<ReadonlySet<string> | 'busy'> {
  const listed = (await listHeldDevices(deps.podResourcesSocket, () => isQuiet(offer, deps), signal)) ?? [];
  if (listed === 'busy') return listed;
  offer.resend();
  await deps.clock.sleep(recordsWrittenMs, signal);
  const booked = await readCheckpoint(deps.kubeletFolder);
  const mine = [
    ...listed.filter(({ resourceName }) => resourceName === offer.resource),
    ...booked.filter(({ resource }) => resource === offer.resource),
  ];
  return new Set(mine.flatMap(({ deviceIds }) => deviceIds));
}

/** Says a text when it differs from the one said before. */
function onceEach(say: (text: string) => void): (text: string) => void {
  let said = '';
  return (text) => {
    if (text !== said) say(text);
    said = text;
  };
}
