import type { V1Container, V1Pod, V1PodSpec } from '@kubernetes/client-node';
import { images } from '../build/images.ts';

/** The resource of whole GPUs. */
export const gpuResource = 'nvidia.com/gpu';

/** Prints the GPUs that the container sees and stays until it is told to go. */
const showAndStay = 'echo "gpus=$NVIDIA_VISIBLE_DEVICES"; trap "exit 0" TERM; while :; do sleep 0.2; done';
export const showAndEnd = 'echo "gpus=$NVIDIA_VISIBLE_DEVICES"';

/** A container with a shell; without a script it prints its GPUs and stays. */
export function container(name: string, gpus: number, script: string = showAndStay): V1Container {
  return {
    name,
    image: images.busybox,
    imagePullPolicy: 'Never',
    command: ['sh', '-c', script],
    ...(gpus > 0 && { resources: { limits: { [gpuResource]: String(gpus) } } }),
  };
}

/** A container that stays while the pod's others run: an init container that is restarted. */
export function sidecar(name: string, gpus: number): V1Container {
  return Object.assign(container(name, gpus), { restartPolicy: 'Always' });
}

/** A pod that ends within a second when it is told to. */
export function pod(name: string, spec: V1PodSpec): V1Pod {
  return { metadata: { name }, spec: Object.assign({ terminationGracePeriodSeconds: 1 }, spec) };
}

/** A pod with one container, `main`. */
export function gpuPod(name: string, gpus: number, script?: string): V1Pod {
  return pod(name, { containers: [container('main', gpus, script)] });
}
