import type { V1Container, V1Pod } from '@kubernetes/client-node';
import { memoryContainer } from '../support/memory-pods.ts';
import { container, pod, showAndEnd } from '../support/pod-spec.ts';
import type { ContainerShape, PodShape } from './shape.ts';

/** The pod to ask the API server for. */
export function podOfShape(name: string, { containers, endsAfterMs }: PodShape): V1Pod {
  const ends = endsAfterMs === null ? undefined : `${showAndEnd}; sleep ${endsAfterMs / 1000}`;
  return pod(name, {
    restartPolicy: endsAfterMs === null ? 'Always' : 'Never',
    initContainers: containers.filter(({ kind }) => kind !== 'app').map(before),
    containers: containers.filter(({ kind }) => kind === 'app').map((each) => containerOf(each, ends)),
  });
}

function before(shape: ContainerShape): V1Container {
  return shape.kind === 'init'
    ? containerOf(shape, showAndEnd)
    : Object.assign(containerOf(shape), { restartPolicy: 'Always' });
}

function containerOf({ name, gpus, units }: ContainerShape, script?: string): V1Container {
  return units > 0 ? memoryContainer(name, units, script) : container(name, gpus, script);
}
