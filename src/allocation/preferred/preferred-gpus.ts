import type { KnownRequest } from './preferred-request.ts';
import { findBestSet } from './preferred-set.ts';
import type { LinkScores } from './topology.ts';

/** The most GPUs that are compared pair by pair; of more, which no node has, the first ones are taken. */
const maxScored = 256;

/**
 * Prepares the choice of whole GPUs: the set that is joined best, with those that are required.
 * @param uuids all listed GPUs in order of index
 * @returns a choice of positions in that list, without the required ones; ascending
 */
export function prepareGpus(
  uuids: readonly string[],
  links: LinkScores,
): (request: KnownRequest) => readonly number[] {
  if (uuids.length > maxScored) return (request) => availableOf(request).slice(0, request.picks);
  const scores = Int32Array.from(uuids.flatMap((a) => uuids.map((b) => links.between(a, b))));
  return (request) => {
    const { required, picks } = request;
    const candidates = [...availableOf(request), ...required].toSorted((a, b) => a - b);
    const set = findBestSet({
      candidates: candidates.length,
      scores: Int32Array.from(
        candidates.flatMap((a) => candidates.map((b) => scores[a * uuids.length + b] ?? 0)),
      ),
      required: required.map((position) => candidates.indexOf(position)),
      size: required.length + picks,
    });
    const taken = new Set(required);
    return set.map((candidate) => candidates[candidate] ?? 0).filter((position) => !taken.has(position));
  };
}

function availableOf({ available }: KnownRequest): readonly number[] {
  return [...available.keys()].filter((position) => available[position] === 1);
}
