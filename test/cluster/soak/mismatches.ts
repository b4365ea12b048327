import { memoryResource } from '../support/memory-pods.ts';
import type { CheckpointEntry, RunningContainer } from '../support/oracle.ts';
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
  /** Which of these the agent may withhold. */
  readonly withheld: readonly string[];
}

/**
 * Finds where the witnesses differ from each other and from what was asked. They are not asked at the same moment, and each
 * learns a change in its own time, so only what stays for long is a violation. The texts are the same as long as it stays.
 */
export function findMismatches(
  seen: Observation,
  known: KnownPods,
  { wellGpus, kubelet, withheld }: NodeState,
): readonly string[] {
  const withMemory = gpusWithMemory(seen.checkpoint);
  const whole = wellGpus.filter((gpu) => !withMemory.has(gpu)).length;
  const allocatable = seen.allocatable ?? -1;
  const node =
    allocatable <= whole && allocatable >= whole - withheld.length
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
  const resource = shape.units > 0 ? memoryResource : gpuResource;
  const written = checkpoint.find((each) => isIt(each) && each.resource === resource);
  const held = holdings?.find(
    (each) => each.pod === name && each.container === shape.name && each.resource === resource,
  );
  // Of init containers that end the kubelet does not tell.
  const isTold = holdings !== null && shape.kind !== 'init';
  return [
    ...findWrongAmounts(shape, own, written).map((each) => `${who} ${each}`),
    ...differ(`${who} sees`, own?.gpus, 'and the checkpoint has', written && gpusOfEntry(written)),
    ...(isTold ? differ(`${who} has by the kubelet`, held?.ids, 'and by the checkpoint', written?.ids) : []),
  ];
}

/** Where a container has not as much as was asked for, by itself or by the checkpoint. */
function findWrongAmounts(
  { gpus, units }: ContainerShape,
  own: RunningContainer | undefined,
  written: CheckpointEntry | undefined,
): readonly string[] {
  const asked = units > 0 ? describe(1, units * unitMiB) : describe(gpus, null);
  const has = describe(own?.gpus.length ?? 0, own?.memoryMiB ?? null);
  const count = units > 0 ? units : gpus;
  const isWritten = written === undefined || written.ids.length === count;
  return [
    ...(asked === has ? [] : [`asked for ${asked} and has ${has}`]),
    ...(isWritten ? [] : [`asked for ${count} and has ${written.ids.length} by the checkpoint`]),
  ];
}

function differ(first: string, one: Ids, second: string, other: Ids): readonly string[] {
  const [a, b] = [one, other].map((ids) => ids?.join() ?? 'nothing');
  return a === b ? [] : [`${first} ${a}, ${second} ${b}`];
}

type Ids = readonly string[] | undefined;

function describe(gpus: number, memoryMiB: number | null): string {
  return memoryMiB === null ? `${gpus} whole` : `${memoryMiB} MiB of ${gpus} GPU`;
}
