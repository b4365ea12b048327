import { expect, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { installOnNode } from './support/node-driver.ts';
import { onCluster } from './support/on-cluster.ts';

onCluster('an agent that a test starts', () => {
  test('has the files of its image, what the chart mounts, and no rights', async () => {
    await using driver = await installOnNode(1);
    await using node = await openClusterNode({ gpus: 1, values: driver.values });
    await node.startServingAgent();
    const { supervisor } = node.cluster;
    const onNode = async (script: string): Promise<string> => {
      const { stdout, stderr } = await supervisor.run(['sh', '-c', script]);
      return `${stdout}${stderr}`.trim();
    };
    const pid = await onNode(`pgrep -f -- '^/usr/bin/node /usr/bin/slicewise agent .*${node.gpus.file}'`);
    expect(pid).toMatch(/^\d+$/);
    const rights = await onNode(`grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs):' /proc/${pid}/status`);
    expect([...rights.matchAll(/:\s+(\w+)/g)].map(([, value]) => Number(`0x${value}`))).toEqual([
      0, 0, 0, 0, 0, 1,
    ]);

    const root = `/proc/${pid}/root`;
    expect(await onNode(`touch ${root}/usr/bin/other`)).toContain('Read-only file system');
    expect(await onNode(`ls ${root}/bin/sh`)).toContain('No such file or directory');
    expect(await onNode(`touch ${root}/var/lib/kubelet/pod-resources/other`)).toContain(
      'Read-only file system',
    );
    expect(await onNode(`ls ${root}/driver-root/usr/bin`)).toContain('nvidia-smi');
    expect(await onNode(`ls ${root}${driver.root}`)).toBe('');
  });
});
