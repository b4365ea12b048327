import type { Snapshot } from '../inventory/gpu.ts';
import type { PlannedDevice } from './planned-device.ts';

/** Says for a device that is no longer planned what has become of it, for a person. */
export function whyGone({ gpus }: Snapshot): (device: Pick<PlannedDevice, 'gpu' | 'mig'>) => string {
  const uuids = new Set(gpus.map(({ uuid }) => uuid));
  const instances = new Set(gpus.flatMap(({ migInstances }) => migInstances.map(({ uuid }) => uuid)));
  return ({ gpu, mig }) => {
    if (mig !== null && instances.has(mig.uuid)) return 'the config no longer offers it in this way';
    // Of a device that only the kubelet's records know, the id is all there is.
    const isInstance = mig !== null || gpu.uuid.startsWith('MIG-');
    if (uuids.has(gpu.uuid) && !isInstance) return 'the config no longer offers it in this way';
    return isInstance && (mig === null || uuids.has(gpu.uuid))
      ? 'the MIG instance no longer exists'
      : 'the GPU is no longer on this node';
  };
}
