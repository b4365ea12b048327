import { memoryResource } from '../support/memory-pods.ts';
import { gpuResource } from '../support/pod-spec.ts';
import { gpusOfEntry, gpusWithMemory } from './bookings.ts';
import { unitMiB } from './gpus-of-soak.ts';
import type { KnownPods, Observation, SeenPod } from './observation.ts';
import type { ContainerShape } from './shape.ts';

/** What the node is like by what was done to it. */
export interface NodeState {
  /** UUIDs of the GPUs that are well: those on which no memory is held can be given out whole. */
  readonly wellGpus: readonly string[];
  /** Which kubelet it is, counted from 0: what ended before a kubelet began is let go when its records have settled. */
  readonly kubelet: number;
}

/**
 * Finds where the witnesses differ from each other and from what was asked. They are not asked at the same moment, and each
 * learns a change in its own time, so only what stays for long is a violation. The texts are the same as long as it stays.
 */
export function findMismatches(
  seen: Observation,
  known: KnownPods,
  { wellGpus, kubelet }: NodeState,
): readonly string[] {
  const withMemory = gpusWithMemory(seen.checkpoint);
  const whole = wellGpus.filter((gpu) => !withMemory.has(gpu)).length;
  const node =
    seen.allocatable === whole
      ? []
      : [
          `the node's status has ${seen.allocatable ?? 'no'} GPUs to give, not ${whole}, with kubelet ${kubelet}`,
        ];
  const settled = seen.pods.filter(({ phase, deleting }) => phase === 'Running' && !deleting);
  return [...node, ...settled.flatMap((pod) => findMismatchesOf(pod, seen, known))];
}

function findMismatchesOf(pod: SeenPod, seen: Observation, known: KnownPods): string[] {
  const shapes = known.get(pod.uid)?.shape.containers ?? [];
  return shapes.flatMap((shape) => {
    const status = pod.containers.find(({ name }) => name === shape.name);
    return status?.runs === true ? findMismatchesIn(pod, shape, status.id, seen) : [];
  });
}

/** @param id the container's, as the API server has it */
function findMismatchesIn(
  { uid, name }: SeenPod,
  shape: ContainerShape,
  id: string | null,
  { running, checkpoint, holdings }: Observation,
): string[] {
  const who = `${name}/${shape.name}`;
  const isIt = (each: { readonly podUid: string; readonly container: string }): boolean =>
    each.podUid === uid && each.container === shape.name;
  const own = running.find(isIt);
  if (own?.id !== id) return [`${who} is ${id} by the API server, and ${own?.id ?? 'nothing'} by itself`];
  const isMemory = shape.units > 0;
  const resource = isMemory ? memoryResource : gpuResource;
  const sees = own?.gpus ?? [];
  const written = checkpoint.find((each) => isIt(each) && each.resource === resource);
  const held = holdings?.find(
    (each) => each.pod === name && each.container === shape.name && each.resource === resource,
  );
  const asked = isMemory ? describe(1, shape.units * unitMiB) : describe(shape.gpus, null);
  const has = describe(sees.length, own?.memoryMiB ?? null);
  const recorded = written === undefined ? [] : gpusOfEntry(written);
  const count = isMemory ? shape.units : shape.gpus;
  const differs = (ids: readonly string[] | undefined, witness: string): string[] =>
    ids?.join() === written?.ids.join()
      ? []
      : [
          `${who} has ${ids?.join() ?? 'nothing'} by ${witness}, and ${written?.ids.join() ?? 'nothing'} by the checkpoint`,
        ];
  return [
    ...(asked === has ? [] : [`${who} asked for ${asked} and has ${has}`]),
    ...(recorded.join() === sees.join()
      ? []
      : [`${who} sees ${sees.join()}, and the checkpoint has ${recorded.join() || 'nothing'}`]),
    ...(written === undefined || written.ids.length === count
      ? []
      : [`${who} asked for ${count} and has ${written.ids.length} by the checkpoint`]),
    // Of init containers that end the kubelet does not tell.
    ...(holdings === null || shape.kind === 'init' ? [] : differs(held?.ids, 'the kubelet')),
  ];
}

function describe(gpus: number, memoryMiB: number | null): string {
  return memoryMiB === null ? `${gpus} whole` : `${memoryMiB} MiB of ${gpus} GPU`;
}
