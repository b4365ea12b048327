/**
 * The devices to propose for one container: those that must be in it, then the available ones of lowest GPU index.
 * Never fails, because an error here fails the pod: ids that are not known come last, and a request that cannot be met
 * gets what there is. Duplicates are dropped.
 * @param order ids of all listed devices in order of GPU index
 */
export function preferDevices(
  request: {
    readonly availableIds: readonly string[];
    readonly requiredIds: readonly string[];
    readonly size: number;
  },
  order: readonly string[],
): readonly string[] {
  const position = new Map(order.map((id, index) => [id, index]));
  const byIndex = (a: string, b: string): number =>
    (position.get(a) ?? order.length) - (position.get(b) ?? order.length);
  const required = new Set(request.requiredIds);
  const others = new Set(request.availableIds).difference(required);
  return [...[...required].toSorted(byIndex), ...[...others].toSorted(byIndex)].slice(
    0,
    Math.max(0, request.size),
  );
}
