/** The longest list of a resource. The kubelet takes 4 MiB of it and drops more without telling the plugin. */
export const maxDevices = 20_000;
const maxListBytes = 2 * 1024 * 1024;

/** A piece of hardware in a list, and how often it shall be there. */
export interface Share {
  readonly uuid: string;
  /** 1: as itself, more: as time slices. */
  readonly replicas: number;
}

/** Upper bound for the bytes of a device in the kubelet's list, beside those of its id: health, NUMA node, tags and lengths. */
const bytesBesideId = 24;

/** Upper bound for the bytes that a list takes on the wire. */
export function listBytes(shares: readonly Share[], cap: number = maxDevices): number {
  return shares.reduce((sum, { uuid, replicas }) => {
    const count = Math.min(replicas, cap);
    return sum + count * (uuid.length + bytesBesideId) + (count > 1 ? 2 * count + digitsBelow(count) : 0);
  }, 0);
}

/**
 * The most time slices that each device can have for the list to be within its limits; `null` when all fit as asked. 0 when not even
 * the devices themselves fit.
 */
export function fittingReplicas(shares: readonly Share[]): number | null {
  const fits = (cap: number): boolean =>
    shares.reduce((sum, { replicas }) => sum + Math.min(replicas, cap), 0) <= maxDevices &&
    listBytes(shares, cap) <= maxListBytes;
  const most = shares.reduce((max, { replicas }) => Math.max(max, replicas), 1);
  if (fits(most)) return null;
  let good = 0;
  let bad = most;
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (fits(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

/** How many digits the numbers from 0 up to, but not with, the count have together. */
function digitsBelow(count: number): number {
  let digits = 0;
  for (let from = 0, length = 1; from < count; from = 10 ** length, length += 1)
    digits += (Math.min(count, 10 ** length) - from) * length;
  return digits;
}
