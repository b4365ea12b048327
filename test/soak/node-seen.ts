import { gpuResource } from '../cluster/support/pod-spec.ts';
import type { CheckpointEntry, Holding, RunningContainer } from '../cluster/support/oracle.ts';
import type { KnownPod, Observation, SeenContainer, SeenPod } from '../cluster/soak/observation.ts';
import type { ContainerShape } from '../cluster/soak/shape.ts';

/** A pod `name` with uid `uid-name`, whose container `c` has the id `name-c`. */
export interface Resident {
  readonly name: string;
  /** GPUs by container. */
  readonly gpus: Readonly<Record<string, readonly string[]>>;
  /** `app` when it is not said. */
  readonly kinds?: Readonly<Record<string, ContainerShape['kind']>>;
  readonly forced?: boolean;
}

/** What all witnesses say of a node on which everything is as it should be. */
export function seeNode(residents: readonly Resident[], allocatable: number = 8): Observation {
  const each = <T>(make: (resident: Resident, container: string, ids: readonly string[]) => T): T[] =>
    residents.flatMap((resident) =>
      Object.entries(resident.gpus).map(([container, ids]) => make(resident, container, ids)),
    );
  const namespace = 'soak';
  return {
    pods: residents.map(seeResident),
    running: each(({ name }, container, gpus): RunningContainer => ({
      id: `${name}-${container}`,
      namespace,
      pod: name,
      podUid: `uid-${name}`,
      container,
      gpus,
      memoryMiB: null,
    })),
    checkpoint: each(({ name }, container, ids): CheckpointEntry => ({
      podUid: `uid-${name}`,
      container,
      resource: gpuResource,
      ids,
      annotations: null,
      envs: null,
    })),
    holdings: each(({ name }, container, ids): Holding => ({
      namespace,
      pod: name,
      container,
      resource: gpuResource,
      ids,
    })),
    allocatable,
  };
}

/** The same pods as the soak remembers them. */
export function knowPods(residents: readonly Resident[]): Map<string, KnownPod> {
  return new Map(
    residents.map(({ name, gpus, kinds, forced = false }) => {
      const containers = Object.entries(gpus).map(([container, ids]): ContainerShape => ({
        name: container,
        kind: kinds?.[container] ?? 'app',
        gpus: ids.length,
      }));
      const shape = { containers, endsAfterMs: null };
      return [`uid-${name}`, { name, shape, createdMs: 0, forced, kills: [], lostStarts: 0 }];
    }),
  );
}

function seeResident({ name, gpus }: Resident): SeenPod {
  return {
    name,
    uid: `uid-${name}`,
    phase: 'Running',
    reason: '',
    message: '',
    deleting: false,
    unschedulable: false,
    ready: true,
    containers: Object.keys(gpus).map((container): SeenContainer => ({
      name: container,
      id: `${name}-${container}`,
      runs: true,
      restarts: 0,
    })),
  };
}
