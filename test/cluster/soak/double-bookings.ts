import { gpuResource } from '../support/pod-spec.ts';
import type { KnownPods, Observation, Violation } from './observation.ts';

/** Who has a GPU, by one witness. */
interface Claim {
  readonly gpu: string;
  readonly pod: string;
  readonly container: string;
}

export interface DoubleBookings {
  readonly violations: readonly Violation[];
  /** GPUs that a container has while one of a pod that was deleted by force has not ended yet: Kubernetes' own limit. */
  readonly afterForce: readonly string[];
}

/** Finds GPUs that two have at once. Each witness is judged by itself, so one that errs cannot hide behind another. */
export function findDoubleBookings(
  { running, checkpoint, holdings }: Observation,
  known: KnownPods,
): DoubleBookings {
  const violations: Violation[] = [];
  const report = (witness: string, [first, second]: readonly [Claim, Claim]): void => {
    const detail = `${first.gpu} is in ${name(first)} and in ${name(second)}, by ${witness}`;
    violations.push({ rule: 'no GPU is in two containers', detail });
  };

  const forced = (uid: string): boolean => known.get(uid)?.forced === true;
  const claimed = running.flatMap(({ podUid, pod, container, gpus }) =>
    gpus.map((gpu) => ({ gpu, pod, container, forced: forced(podUid) })),
  );
  for (const pair of findPairs(claimed.filter((claim) => !claim.forced)))
    report("the containers' own environment", pair);
  const afterForce = findPairs(claimed)
    .filter((pair) => pair.some((claim) => claim.forced))
    .map(([first, second]) => `${first.gpu}: ${name(first)}, ${name(second)}`);

  const listed = (holdings ?? []).filter(({ resource }) => resource === gpuResource);
  const held = listed.flatMap(({ namespace, pod, container, ids }) =>
    ids.map((gpu) => ({ gpu, pod: `${namespace}/${pod}`, container })),
  );
  for (const pair of findPairs(held)) report("the kubelet's pod resources", pair);

  const written = checkpoint
    .filter(({ resource }) => resource === gpuResource)
    .flatMap(({ podUid, container, ids }) => ids.map((gpu) => ({ gpu, pod: podUid, container })));
  for (const pair of findPairs(written)) {
    const isHandedOn = pair[0].pod === pair[1].pod && pair.some((claim) => isInit(claim, known));
    if (!isHandedOn) report("the kubelet's checkpoint", pair);
  }
  return { violations, afterForce };
}

/** Every two claims to the same GPU. */
function findPairs<T extends Claim>(claims: readonly T[]): [T, T][] {
  return claims.flatMap((first, at) =>
    claims
      .slice(at + 1)
      .filter(({ gpu }) => gpu === first.gpu)
      .map((second): [T, T] => [first, second]),
  );
}

/** What an init container had is given to a later container of its pod. */
function isInit({ pod, container }: Claim, known: KnownPods): boolean {
  return known.get(pod)?.shape.containers.find((each) => each.name === container)?.kind === 'init';
}

function name({ pod, container }: Claim): string {
  return `${pod}/${container}`;
}
