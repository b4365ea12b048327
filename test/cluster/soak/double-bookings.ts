import { memoryResource } from '../support/memory-pods.ts';
import { gpuResource } from '../support/pod-spec.ts';
import { findOverbooked } from '../support/shares.ts';
import { bookedShares } from './bookings.ts';
import { offeredMiB } from './gpus-of-soak.ts';
import type { KnownPods, Observation, Violation } from './observation.ts';

/** Who has a device of a resource, by one witness. */
interface Claim {
  readonly id: string;
  readonly pod: string;
  readonly container: string;
}

export interface DoubleBookings {
  readonly violations: readonly Violation[];
  /** GPUs that a container has while one of a pod that was deleted by force has not ended yet: Kubernetes' own limit. */
  readonly afterForce: readonly string[];
}

/**
 * Finds GPUs that are given beyond what they have, and devices that two have at once. Each witness is judged by itself, so one that errs
 * cannot hide behind another.
 */
export function findDoubleBookings(
  { running, checkpoint, holdings }: Observation,
  known: KnownPods,
): DoubleBookings {
  const staying = running.filter(({ podUid }) => known.get(podUid)?.forced !== true);
  const found = findOverbooked(staying, offeredMiB);
  const listed = (holdings ?? []).flatMap(({ namespace, pod, container, resource, ids }) =>
    claims(resource, ids, { pod: `${namespace}/${pod}`, container }),
  );
  const written = checkpoint.flatMap(({ podUid, container, resource, ids }) =>
    claims(resource, ids, { pod: podUid, container }),
  );
  return {
    violations: [
      ...report("the containers' own environment", found),
      ...report(
        "the kubelet's pod resources",
        findPairs(listed, () => false),
      ),
      ...report(
        "the kubelet's checkpoint",
        findPairs(written, (one, other) => isHandedOn(one, other, known)),
      ),
      ...report(
        "the records in the kubelet's checkpoint",
        findOverbooked(bookedShares(checkpoint), offeredMiB),
      ),
    ],
    afterForce: findOverbooked(running, offeredMiB).filter((each) => !found.includes(each)),
  };
}

function report(witness: string, found: readonly string[]): readonly Violation[] {
  return found.map((each) => ({ rule: 'nothing is booked twice', detail: `${each}, by ${witness}` }));
}

function claims(resource: string, ids: readonly string[], holder: Omit<Claim, 'id'>): readonly Claim[] {
  return [gpuResource, memoryResource].includes(resource) ? ids.map((id) => ({ id, ...holder })) : [];
}

/** Devices that two containers have, by the holders. */
function findPairs(
  all: readonly Claim[],
  mayShare: (one: Claim, other: Claim) => boolean,
): readonly string[] {
  const pairs = [...Map.groupBy(all, ({ id }) => id).values()].flatMap((same) =>
    same.flatMap((one, at) =>
      same.slice(at + 1).flatMap((other) => (mayShare(one, other) ? [] : [[one, other] as const])),
    ),
  );
  return [...Map.groupBy(pairs, ([one, other]) => `${name(one)} and in ${name(other)}`)].map(
    ([holders, shared]) => `${shared.map(([{ id }]) => id).join(', ')} is in ${holders}`,
  );
}

/** What an init container had is given to a later container of its pod. */
function isHandedOn(one: Claim, other: Claim, known: KnownPods): boolean {
  return one.pod === other.pod && [one, other].some((claim) => isInit(claim, known));
}

function isInit({ pod, container }: Claim, known: KnownPods): boolean {
  return known.get(pod)?.shape.containers.find((each) => each.name === container)?.kind === 'init';
}

function name({ pod, container }: Claim): string {
  return `${pod}/${container}`;
}
