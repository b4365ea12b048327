import { randomUUID } from 'node:crypto';
import type { ContainerResponse } from '../../allocation/response.ts';

/** Devices asked for, by resource name: `{ 'nvidia.com/gpu': 1 }`. */
type ResourceCounts = Readonly<Record<string, number>>;

interface ContainerSpec {
  readonly name: string;
  readonly resources?: ResourceCounts;
}

interface InitContainerSpec extends ContainerSpec {
  /** True for a sidecar: an init container that goes on beside the app containers and keeps its devices. */
  readonly restartable?: boolean;
}

/** A pod as its author writes it, as far as devices go. */
export interface PodSpec {
  readonly name: string;
  /** Default: `default`. */
  readonly namespace?: string;
  readonly initContainers?: readonly InitContainerSpec[];
  readonly containers: readonly ContainerSpec[];
}

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';
type ContainerKind = 'init' | 'sidecar' | 'app';

/** What a container was started with for one resource. */
export interface GivenDevices {
  readonly ids: readonly string[];
  readonly response: ContainerResponse;
}

/** A container as the runtime knows it. */
export interface Container {
  readonly name: string;
  readonly kind: ContainerKind;
  readonly resources: ResourceCounts;
  readonly state: 'Waiting' | 'Running' | 'Terminated';
  /** Why it waits, for example `CreateContainerConfigError`; empty otherwise. */
  readonly reason: string;
  readonly message: string;
  readonly starts: number;
  /** By resource name, as of the last start. */
  readonly given: ReadonlyMap<string, GivenDevices>;
}

/** A pod of the node with its status, which changes as things go on. */
export interface Pod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly phase: PodPhase;
  readonly reason: string;
  readonly message: string;
  /** Init containers in their order, then app containers. */
  readonly containers: readonly Container[];
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
export type ContainerRecord = Mutable<Container>;

/** The kubelet's own, writable view of a pod. */
export interface PodRecord extends Mutable<Omit<Pod, 'containers'>> {
  readonly containers: readonly ContainerRecord[];
}

/** A new pod in phase Pending with an own uid. */
export function createPod(spec: PodSpec): PodRecord {
  const inits = (spec.initContainers ?? []).map((init) =>
    createContainer(init, init.restartable === true ? 'sidecar' : 'init'),
  );
  return {
    uid: randomUUID(),
    name: spec.name,
    namespace: spec.namespace ?? 'default',
    phase: 'Pending',
    reason: '',
    message: '',
    containers: [...inits, ...spec.containers.map((app) => createContainer(app, 'app'))],
  };
}

/** `namespace/name`, as people write it. */
export function podTitle(pod: Pick<Pod, 'namespace' | 'name'>): string {
  return `${pod.namespace}/${pod.name}`;
}

/** True once the pod has Succeeded or Failed: it never runs again and no longer counts as active. */
export function hasEnded(pod: Pick<Pod, 'phase'>): boolean {
  return pod.phase === 'Succeeded' || pod.phase === 'Failed';
}

function createContainer(spec: ContainerSpec, kind: ContainerKind): ContainerRecord {
  return {
    name: spec.name,
    kind,
    resources: spec.resources ?? {},
    state: 'Waiting',
    reason: '',
    message: '',
    starts: 0,
    given: new Map(),
  };
}
