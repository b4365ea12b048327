/**
 * How many units can be promised on several GPUs: any sequence of requests of at most `cap` units each, that many units in all, can
 * be placed one after the other, each on one GPU, as long as each is put anywhere it fits. Takes O(GPUs).
 *
 * Why. Let a request of s units be the first that fits nowhere. Then no GPU has more than s − 1 units left, so at least
 * Σ max(0, hole − (s − 1)) units were placed before, and with the failing request f(s) = Σ max(0, hole − s + 1) + s − 1 units are
 * exceeded. The least f(s) for 1 ≤ s ≤ cap is therefore always safe. f falls while two holes or more are at least s, and stands still
 * or rises after that, so the least value is at s = min(cap, second largest hole + 1).
 * @param holes free units of each GPU; negative ones count as 0
 * @param cap the most units that one request may ask for
 */
export function guaranteedFit(holes: readonly number[], cap: number): number {
  const [largest, second] = twoLargest(holes);
  if (cap < 1) return 0;
  if (cap > second) return largest;
  return holes.reduce((sum, hole) => sum + Math.max(0, hole - cap + 1), cap - 1);
}

function twoLargest(holes: readonly number[]): readonly [number, number] {
  let largest = 0;
  let second = 0;
  for (const hole of holes) {
    second = Math.max(second, Math.min(largest, hole));
    largest = Math.max(largest, hole);
  }
  return [largest, second];
}
