/** Devices by resource. */
export type Counts = ReadonlyMap<string, number>;

/** What of a node's status is read: amounts by resource, as quantities (`160`, `20k`), and which boot of which machine it is about. */
export interface NodeAmounts {
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
  /** The kernel's boot id as the kubelet has reported it; `null` when it has not. */
  readonly bootId: string | null;
}

/** The allocatable of a node that has to change. Nobody else's resource is ever in it. */
export interface AllocatableChange {
  /** New amounts by resource, at least one. */
  readonly amounts: Readonly<Record<string, number>>;
  /** Whether one of them is more than the node's status says now. */
  readonly grows: boolean;
}

/**
 * What to write into a node's `status.allocatable`, or `null` when it says so already: for each resource the number of healthy devices in its
 * list, which is what the kubelet will report (`GetCapacity` of its device manager). Never more than the kubelet has reported as
 * capacity, and nothing for a resource that it has not reported at all: what it does not know it cannot give out.
 * @param healthy healthy devices by resource, of lists that the kubelet has
 */
export function changeAllocatable(
  healthy: Counts,
  { capacity, allocatable }: NodeAmounts,
): AllocatableChange | null {
  const changes = [...healthy].flatMap(([resource, count]) => {
    const most = parseCount(capacity[resource]);
    if (most === null) return [];
    const [amount, now] = [Math.min(count, most), parseCount(allocatable[resource])];
    return amount === now ? [] : [{ resource, amount, grows: amount > (now ?? 0) }];
  });
  if (changes.length === 0) return null;
  return {
    amounts: Object.fromEntries(changes.map(({ resource, amount }) => [resource, amount])),
    grows: changes.some(({ grows }) => grows),
  };
}

/** Of each resource the smaller of two counts; one that `limits` does not name has nothing. */
export function limitCounts(counts: Counts, limits: Counts): Counts {
  return new Map(
    [...counts].map(([resource, count]) => [resource, Math.min(count, limits.get(resource) ?? 0)]),
  );
}

/** What a node's status says of some resources. */
export function countsOf({ allocatable }: NodeAmounts): Counts {
  return new Map(Object.entries(allocatable).map(([resource, text]) => [resource, parseCount(text) ?? 0]));
}

/** The patch of a node's status (RFC 7396) that makes the change. */
export function toMergePatch({ amounts }: AllocatableChange): object {
  const texts = Object.entries(amounts).map(([resource, amount]) => [resource, String(amount)]);
  return { status: { allocatable: Object.fromEntries(texts) } };
}

const factors: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 };

/** A count as the API server writes it: whole thousands come as `20k`. `null` for what is no count. */
function parseCount(quantity: string | undefined): number | null {
  const [, digits, suffix = ''] = /^(\d{1,15})([kMG]?)$/.exec(quantity ?? '') ?? [];
  return digits === undefined ? null : Number(digits) * (factors[suffix] ?? 1);
}
