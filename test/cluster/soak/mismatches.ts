import { gpuResource } from '../support/pod-spec.ts';
import type { KnownPods, Observation, SeenPod } from './observation.ts';
import type { ContainerShape } from './shape.ts';

/**
 * Finds where the witnesses differ from each other and from what was asked. They are not asked at the same moment, and each
 * learns a change in its own time, so only what stays for long is a violation. The texts are the same as long as it stays.
 * @param wellGpus how many GPUs the node has that can be given out
 */
export function findMismatches(seen: Observation, known: KnownPods, wellGpus: number): readonly string[] {
  const node =
    seen.allocatable === wellGpus
      ? []
      : [`the node's status has ${seen.allocatable ?? 'no'} GPUs to give, not ${wellGpus}`];
  const settled = seen.pods.filter(({ phase, deleting }) => phase === 'Running' && !deleting);
  return [...node, ...settled.flatMap((pod) => findMismatchesOf(pod, seen, known))];
}

function findMismatchesOf(pod: SeenPod, seen: Observation, known: KnownPods): string[] {
  const shapes = known.get(pod.uid)?.shape.containers ?? [];
  return shapes.flatMap((shape) => {
    const status = pod.containers.find(({ name }) => name === shape.name);
    return status?.runs === true && shape.gpus > 0 ? findMismatchesIn(pod, shape, status.id, seen) : [];
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
  const sees = own?.gpus ?? [];
  const differs = (ids: readonly string[] | undefined, witness: string): string[] =>
    ids?.join() === sees.join()
      ? []
      : [`${who} sees ${sees.join()}, and ${witness} ${ids?.join() ?? 'nothing'}`];
  const written = checkpoint.find((each) => isIt(each) && each.resource === gpuResource);
  const held = holdings?.find(
    (each) => each.pod === name && each.container === shape.name && each.resource === gpuResource,
  );
  return [
    ...(sees.length === shape.gpus ? [] : [`${who} asked for ${shape.gpus} and sees ${sees.join()}`]),
    ...differs(written?.ids, 'the checkpoint has'),
    // Of init containers that end the kubelet does not tell.
    ...(holdings === null || shape.kind === 'init' ? [] : differs(held?.ids, 'the kubelet tells')),
  ];
}

/** How long each mismatch has been there without a break. */
export class Patience {
  readonly #limitMs: number;
  readonly #sinceMs = new Map<string, number>();

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Takes the mismatches of this moment and answers with those that have stayed for too long. */
  judge(mismatches: readonly string[], nowMs: number): readonly string[] {
    for (const old of this.#sinceMs.keys()) if (!mismatches.includes(old)) this.#sinceMs.delete(old);
    for (const each of mismatches) if (!this.#sinceMs.has(each)) this.#sinceMs.set(each, nowMs);
    return mismatches.filter((each) => nowMs - (this.#sinceMs.get(each) ?? nowMs) > this.#limitMs);
  }
}
