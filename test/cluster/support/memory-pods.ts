import type { V1Container, V1Deployment, V1Pod } from '@kubernetes/client-node';
import { container, pod } from './pod-spec.ts';

/** The resource of GPU memory. */
export const memoryResource = 'nvidia.com/gpu-memory';

/** A container with units of memory, whatever it does otherwise. */
export function memoryContainer(name: string, units: number | string, script?: string): V1Container {
  return Object.assign(container(name, 0, script), {
    resources: { limits: { [memoryResource]: String(units) } },
  });
}

/** A pod with one container, `main`. */
export function memoryPod(name: string, units: number | string, script?: string): V1Pod {
  return pod(name, { containers: [memoryContainer('main', units, script)] });
}

/** A Deployment of one such pod, with the label `app` of the same name. */
export function memoryDeployment(name: string, units: number): V1Deployment {
  const labels = { app: name };
  return {
    metadata: { name },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: Object.assign(memoryPod(name, units), { metadata: { labels } }),
    },
  };
}
