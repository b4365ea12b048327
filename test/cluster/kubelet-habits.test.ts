import { beforeAll, test } from 'vitest';
import { kubeletHabits } from '../support/kubelet-habits.ts';
import { openClusterNode } from './support/cluster-node.ts';
import { openHabitNode } from './support/habit-node.ts';
import { onCluster } from './support/on-cluster.ts';

onCluster('the real kubelet, as the stand-in', () => {
  // A kubelet writes its checkpoint too when it forgets a resource, minutes after its plugin has gone: one that has just started does not.
  beforeAll(async () => {
    await using node = await openClusterNode({ gpus: 1 });
    await node.kubelet.restart('SIGTERM');
  });

  test.each(kubeletHabits)('$name', async ({ prove }) => {
    await using node = await openHabitNode();
    await prove(node);
  });
});
