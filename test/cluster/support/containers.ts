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
export async function killContainer({ supervisor }: Cluster, pod: V1Pod, name = 'main'): Promise<void> {
  const found = pod.status?.containerStatuses?.find((each) => each.name === name);
  const id = found?.containerID?.replace('containerd://', '') ?? '';
  const { code, stderr } = await supervisor.run([
    'ctr',
    '-n',
    'k8s.io',
    'tasks',
    'kill',
    '-s',
    'SIGKILL',
    id,
  ]);
  if (code !== 0) throw new Error(`The container could not be killed: ${stderr}`);
}
