import { memoryResource } from '../cluster/support/memory-pods.ts';
import { gpuResource } from '../cluster/support/pod-spec.ts';
import type { CheckpointEntry, Holding, RunningContainer } from '../cluster/support/oracle.ts';
import type { KnownPod, Observation, SeenContainer, SeenPod } from '../cluster/soak/observation.ts';
import type { ContainerShape } from '../cluster/soak/shape.ts';

/** A pod `name` with uid `uid-name`, whose container `c` has the id `name-c`. */
export interface Resident {
  readonly name: string;
  /** GPUs by container. */
  readonly gpus: Readonly<Record<string, readonly string[]>>;
  /** Containers that have memory, by the ids of their units. */
  readonly memory?: Readonly<Record<string, { readonly gpu: string; readonly ids: readonly string[] }>>;
  /** `app` when it is not said. */
  readonly kinds?: Readonly<Record<string, ContainerShape['kind']>>;
  readonly forced?: boolean;
}

/** What all witnesses say of a node on which everything is as it should be. */
export function seeNode(residents: readonly Resident[], allocatable: number = 8): Observation {
  const each = <T>(make: (resident: Resident, container: string, had: Had) => T): T[] =>
    residents.flatMap((resident) =>
      hadBy(resident).map(([container, had]) => make(resident, container, had)),
    );
  const namespace = 'soak';
  return {
    pods: residents.map(seeResident),
    running: each(({ name }, container, { gpus, memoryMiB }): RunningContainer => ({
      id: `${name}-${container}`,
      namespace,
      pod: name,
      podUid: `uid-${name}`,
      container,
      gpus,
      memoryMiB,
    })),
    checkpoint: each(({ name }, container, { gpus, resource, ids }): CheckpointEntry => ({
      podUid: `uid-${name}`,
      container,
      resource,
      ids,
      annotations: {
        'slicewise.io/allocation': JSON.stringify({ gpus: gpus.map((uuid) => ({ uuid })) }),
      },
      envs: null,
    })),
    holdings: each(({ name }, container, { resource, ids }): Holding => ({
      namespace,
      pod: name,
      container,
      resource,
      ids,
    })),
    allocatable,
  };
}

/** The same pods as the soak remembers them. */
export function knowPods(residents: readonly Resident[]): Map<string, KnownPod> {
  return new Map(
    residents.map((resident) => {
      const { name, kinds, forced = false } = resident;
      const containers = hadBy(resident).map(([container, { ids, memoryMiB }]): ContainerShape => ({
        name: container,
        kind: kinds?.[container] ?? 'app',
        gpus: memoryMiB === null ? ids.length : 0,
        units: memoryMiB === null ? 0 : ids.length,
      }));
      const shape = { containers, endsAfterMs: null };
      return [`uid-${name}`, { name, shape, createdMs: 0, forced, kills: [], lostStarts: 0 }];
    }),
  );
}

/** What one container has. */
interface Had {
  readonly resource: string;
  readonly ids: readonly string[];
  readonly gpus: readonly string[];
  readonly memoryMiB: number | null;
}

function hadBy({ gpus, memory = {} }: Resident): readonly (readonly [string, Had])[] {
  const whole = Object.entries(gpus).map(
    ([container, ids]) => [container, { resource: gpuResource, ids, gpus: ids, memoryMiB: null }] as const,
  );
  const shares = Object.entries(memory).map(([container, { gpu, ids }]) => {
    return [container, { resource: memoryResource, ids, gpus: [gpu], memoryMiB: ids.length * 1024 }] as const;
  });
  return [...whole, ...shares];
}

function seeResident(resident: Resident): SeenPod {
  const { name } = resident;
  return {
    name,
    uid: `uid-${name}`,
    phase: 'Running',
    reason: '',
    message: '',
    deleting: false,
    unschedulable: false,
    ready: true,
    containers: hadBy(resident).map(([container]): SeenContainer => ({
      name: container,
      id: `${name}-${container}`,
      runs: true,
      restarts: 0,
    })),
  };
}
