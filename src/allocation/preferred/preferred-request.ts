/** What the kubelet asks for one container: `size` devices, the required ones among them, the others from the available ones. */
export interface PreferredRequest {
  readonly availableIds: readonly string[];
  readonly requiredIds: readonly string[];
  readonly size: number;
}

/** A request held against a list: devices by their positions in it, each once, and what the list does not know. */
export interface KnownRequest {
  /** Ascending. */
  readonly required: readonly number[];
  /** By position: 1 where the device can be chosen. A required one cannot. */
  readonly available: Uint8Array;
  readonly availableCount: number;
  readonly unknownRequired: readonly string[];
  readonly unknownAvailable: readonly string[];
  /** A whole number, 0 or more. */
  readonly size: number;
  /** How many of the available devices to choose: no more than there are. */
  readonly picks: number;
}

/** Reads a request whatever is in it: ids twice or unknown, sizes that are negative, too big or no number. */
export function readRequest(request: PreferredRequest, positions: ReadonlyMap<string, number>): KnownRequest {
  const available = new Uint8Array(positions.size);
  let availableCount = 0;
  const unknownAvailable = new Set<string>();
  for (const id of request.availableIds) {
    const position = positions.get(id);
    if (position === undefined) unknownAvailable.add(id);
    else if (available[position] === 0) {
      available[position] = 1;
      availableCount += 1;
    }
  }
  const required: number[] = [];
  const unknownRequired: string[] = [];
  for (const id of new Set(request.requiredIds)) {
    const position = positions.get(id);
    if (position === undefined) unknownRequired.push(id);
    else {
      required.push(position);
      availableCount -= available[position] ?? 0;
      available[position] = 0;
    }
    unknownAvailable.delete(id);
  }
  const size = Math.max(0, Math.trunc(request.size) || 0);
  const wanted = size - required.length - unknownRequired.length;
  return {
    required: required.toSorted((a, b) => a - b),
    available,
    availableCount,
    unknownRequired,
    unknownAvailable: [...unknownAvailable],
    size,
    picks: Math.min(Math.max(0, wanted), availableCount),
  };
}
