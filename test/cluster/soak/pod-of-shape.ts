import type { V1Pod } from '@kubernetes/client-node';
import { container, pod, showAndEnd, sidecar } from '../support/pod-spec.ts';
import type { PodShape } from './shape.ts';

/** The pod to ask the API server for. */
export function podOfShape(name: string, { containers, endsAfterMs }: PodShape): V1Pod {
  const ends = endsAfterMs === null ? undefined : `${showAndEnd}; sleep ${endsAfterMs / 1000}`;
  const before = containers.filter(({ kind }) => kind !== 'app');
  return pod(name, {
    restartPolicy: endsAfterMs === null ? 'Always' : 'Never',
    initContainers: before.map((each) =>
      each.kind === 'init' ? container(each.name, each.gpus, showAndEnd) : sidecar(each.name, each.gpus),
    ),
    containers: containers
      .filter(({ kind }) => kind === 'app')
      .map((each) => container(each.name, each.gpus, ends)),
  });
}
