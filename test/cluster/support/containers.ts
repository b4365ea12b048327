import type { V1Pod } from '@kubernetes/client-node';
import type { Cluster } from '../node/cluster.ts';

/** Kills every process of every pod on the node, the pods' sandboxes too, as a reboot does. */
export async function killAllContainers({ supervisor }: Cluster): Promise<void> {
  const script =
    'for task in $(ctr -n k8s.io tasks list -q); do ctr -n k8s.io tasks kill -s SIGKILL $task; done';
  const { code, stderr } = await supervisor.run(['sh', '-c', script]);
  if (code !== 0) throw new Error(`The containers could not be killed: ${stderr}`);
}

/** Kills one container of a pod, without asking the kubelet. */
export async function killContainer(cluster: Cluster, pod: V1Pod, name = 'main'): Promise<void> {
  const found = pod.status?.containerStatuses?.find((each) => each.name === name);
  await killContainerById(cluster, found?.containerID?.replace('containerd://', '') ?? '');
}

/** The same by the container runtime's id. */
export async function killContainerById({ supervisor }: Cluster, id: string): Promise<void> {
  const command = ['ctr', '-n', 'k8s.io', 'tasks', 'kill', '-s', 'SIGKILL', id];
  const { code, stderr } = await supervisor.run(command);
  if (code !== 0) throw new Error(`The container could not be killed: ${stderr}`);
}
