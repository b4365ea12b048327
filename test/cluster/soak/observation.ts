import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import type { CheckpointEntry, Holding, RunningContainer } from '../support/oracle.ts';
import type { PodShape } from './shape.ts';

/** A container as the API server has it. */
export interface SeenContainer {
  readonly name: string;
  /** The container runtime's; null before the first start. */
  readonly id: string | null;
  readonly runs: boolean;
  readonly restarts: number;
}

/** A pod as the API server has it. */
export interface SeenPod {
  readonly name: string;
  readonly uid: string;
  readonly phase: string;
  readonly reason: string;
  readonly message: string;
  readonly deleting: boolean;
  /** The scheduler has found no place. */
  readonly unschedulable: boolean;
  /** All its containers run. */
  readonly ready: boolean;
  readonly containers: readonly SeenContainer[];
}

/** Phases of a pod that holds nothing any more. */
export const endedPhases: ReadonlySet<string> = new Set(['Succeeded', 'Failed']);

/** What all witnesses say, one shortly after the other. */
export interface Observation {
  readonly pods: readonly SeenPod[];
  /** What the containers themselves say, at one moment. */
  readonly running: readonly RunningContainer[];
  readonly checkpoint: readonly CheckpointEntry[];
  /** What the kubelet says; null: it was not asked, because that is not safe while pods are being admitted. */
  readonly holdings: readonly Holding[] | null;
  /** The GPUs that can be given out, as the node's status has it. */
  readonly allocatable: number | null;
}

/** A pod that the soak has made, by its uid in a map. */
export interface KnownPod {
  readonly name: string;
  readonly shape: PodShape;
  readonly createdMs: number;
  /** It was taken from the API server at once: the kubelet frees its GPUs before its containers have ended. */
  readonly forced: boolean;
  /** Containers that were killed, one entry each time. */
  readonly kills: readonly string[];
  /** How often the kubelet ended after a kill: it loses a start that it was in the middle of, and counts it. */
  readonly lostStarts: number;
}

export type KnownPods = ReadonlyMap<string, KnownPod>;

/** Something that must not be. */
export interface Violation {
  readonly rule: string;
  readonly detail: string;
}

export function seePod({ metadata = {}, spec, status = {} }: V1Pod): SeenPod {
  const { phase = 'Pending', reason = '', message = '', conditions = [] } = status;
  const { containerStatuses: apps = [], initContainerStatuses: before = [] } = status;
  const scheduled = conditions.find(({ type }) => type === 'PodScheduled');
  return {
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    phase,
    reason,
    message,
    deleting: metadata.deletionTimestamp !== undefined,
    unschedulable: scheduled?.reason === 'Unschedulable',
    ready: apps.length === spec?.containers.length && apps.every(({ ready }) => ready),
    containers: [...before, ...apps].map(seeContainer),
  };
}

function seeContainer({ name, containerID, restartCount, state }: V1ContainerStatus): SeenContainer {
  return {
    name,
    id: containerID?.replace('containerd://', '') ?? null,
    runs: state?.running !== undefined,
    restarts: restartCount,
  };
}
