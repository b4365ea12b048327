import { Server, status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import type { Clock } from '../../lib/clock.ts';
import type { ContainerDevices, ResourceDevices } from '../../kubelet/contract.ts';
import { podResourcesService } from '../../kubelet/wire.ts';
import type { DeviceManager } from './device-manager.ts';
import type { EventLog } from './kubelet-events.ts';
import { entryIds, type PodEntries } from './pod-entries.ts';
import type { Pod } from './pod.ts';
import { TokenBucket } from './token-bucket.ts';

const callsPerSecond = 100;
const callsAtOnce = 10;

/**
 * The server behind pod-resources/kubelet.sock. A List makes the device manager drop dead pods; calls over the limit,
 * which all clients share, are refused.
 * @param listedPods the active pods that the kubelet knows at this moment
 */
export function createPodResourcesServer(
  manager: DeviceManager,
  listedPods: () => readonly Pod[],
  { clock, events }: { readonly clock: Clock; readonly events: EventLog },
): Server {
  const limit = new TokenBucket(clock, callsPerSecond, callsAtOnce);
  const server = new Server();
  server.addService(podResourcesService, {
    List: (_call: ServerUnaryCall<void, unknown>, answer: sendUnaryData<readonly ContainerDevices[]>) => {
      if (!limit.take()) {
        events.add({ kind: 'list-refused' });
        answer({ code: status.RESOURCE_EXHAUSTED, details: 'rejected by rate limit' });
        return;
      }
      const pods = listedPods();
      const { openCalls } = manager.dropDeadPodsForList();
      const shown = pods.flatMap((pod) => showPod(pod, manager.books.entries));
      events.add({ kind: 'pods-listed', pods: pods.length, openCalls });
      answer(null, shown);
    },
    GetAllocatableResources: (
      _call: ServerUnaryCall<void, unknown>,
      answer: sendUnaryData<readonly ResourceDevices[]>,
    ) => {
      if (!limit.take()) {
        answer({ code: status.RESOURCE_EXHAUSTED, details: 'rejected by rate limit' });
        return;
      }
      const healthy = [...manager.books.healthy];
      answer(
        null,
        healthy.map(([resourceName, ids]) => ({ resourceName, deviceIds: [...ids] })),
      );
    },
  });
  return server;
}

/** App containers and sidecars with their ids; ordinary init containers are left out. */
function showPod(pod: Pod, entries: PodEntries): readonly ContainerDevices[] {
  return pod.containers
    .filter(({ kind }) => kind !== 'init')
    .flatMap((container) =>
      entries.ofContainer(pod.uid, container.name).map((entry) => ({
        namespace: pod.namespace,
        pod: pod.name,
        container: container.name,
        resourceName: entry.resource,
        deviceIds: [...entryIds(entry)],
      })),
    );
}
