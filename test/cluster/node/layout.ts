import { join } from 'node:path';

/** Names and addresses of every cluster. The supervisor makes the network, so these are known to it as well. */
export const node = { name: 'node1', address: '10.244.0.1', podRange: '10.244.0.0/24' } as const;
export const serviceRange = '10.96.0.0/16';
/** The API server, as pods see it: the first address of the range. */
export const serviceAddress = '10.96.0.1';

/** Where things are in a cluster's folder, as this machine sees them. On the node itself `lib` is `/var/lib`, and so on. */
export function layout(state: string) {
  return {
    state,
    /** Certificates, kubeconfigs and the programs' config files. */
    etc: join(state, 'etc'),
    log: join(state, 'log'),
    /** On the node `/run`. */
    run: join(state, 'run'),
    /** The administrator's. */
    kubeconfig: join(state, 'etc/admin.conf'),
    devicePlugins: join(state, 'lib/kubelet/device-plugins'),
    kubeletSocket: join(state, 'lib/kubelet/device-plugins/kubelet.sock'),
    checkpoint: join(state, 'lib/kubelet/device-plugins/kubelet_internal_checkpoint'),
    podResourcesSocket: join(state, 'lib/kubelet/pod-resources/kubelet.sock'),
    /** What another process must know to use the cluster. */
    note: join(state, 'cluster.json'),
  } as const;
}

export type Layout = ReturnType<typeof layout>;
