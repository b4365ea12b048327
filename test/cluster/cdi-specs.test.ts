import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { killContainer } from './support/containers.ts';
import { installOnNode, look, minorsOf } from './support/node-driver.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuPod } from './support/pod-spec.ts';
import { identityOf, restartsOf, waitingOf } from './support/pods.ts';
import { waitFor } from './support/wait.ts';

const gpus = 3;
const gpuFile = 'k8s.device-plugin.nvidia.com-gpu.json';
const byName = '--device-list-strategy=cdi-cri';

const damages: Readonly<Record<string, (file: string) => Promise<void>>> = {
  removed: (file) => rm(file),
  emptied: (file) => writeFile(file, ''),
  replaced: (file) =>
    writeFile(file, '{"cdiVersion":"0.3.0","kind":"k8s.device-plugin.nvidia.com/gpu","devices":[]}'),
};

onCluster('the CDI specs on the node', () => {
  test('come back when somebody removes or changes one while pods run', async () => {
    await using driver = await installOnNode(gpus);
    await using node = await openClusterNode({ gpus, values: driver.values });
    const agent = await node.startServingAgent([...driver.args, byName]);
    const file = join(driver.cdiFolder, gpuFile);
    const whole = await readFile(file, 'utf8');
    const before = identityOf(await node.pods.run(gpuPod('before', 1)));
    for (const [name, damage] of Object.entries(damages)) {
      await damage(file);
      const read = async (): Promise<string> => readFile(file, 'utf8');
      await waitFor(`the spec that was ${name} is whole again`, read, (text) => text === whole);
      await node.pods.run(gpuPod(name, 1));
      expect((await look(node.pods, name, gpus)).opens).toEqual(await minorsOf(node, name));
      await node.pods.delete(name);
    }
    expect(identityOf(await node.pods.read('before'))).toEqual(before);
    expect(agent.log.filter(({ msg }) => msg.startsWith('another program'))).toHaveLength(1);
  });

  test('are needed by a container that starts again: it waits while they are gone, and starts when the agent is back', async () => {
    await using driver = await installOnNode(gpus);
    await using node = await openClusterNode({ gpus, values: driver.values });
    const agent = await node.startServingAgent([...driver.args, byName]);
    const started = await node.pods.run(gpuPod('kept', 1));
    const minors = await minorsOf(node, 'kept');
    agent.signal('SIGTERM');
    await agent.exit;
    await rm(driver.cdiFolder, { recursive: true });
    await killContainer(node.cluster, started);
    const waiting = await node.pods.waitFor('kept', 'it waits', (seen) => waitingOf(seen).includes('CDI'));
    expect(waitingOf(waiting)).toContain(
      'CreateContainerError: failed to create containerd container: CDI device injection failed: ' +
        'unresolvable CDI devices k8s.device-plugin.nvidia.com/gpu=GPU-',
    );
    node.startAgent([...driver.args, byName]);
    await node.waitUntilAllUsable();
    const after = await node.pods.waitFor('kept', 'it has started again', (seen) => restartsOf(seen) === 1);
    expect(after.metadata?.uid).toBe(started.metadata?.uid);
    await node.pods.waitUntilRunning('kept');
    expect((await look(node.pods, 'kept', gpus)).opens).toEqual(minors);
  });

  test('keep every GPU from being offered while they cannot be written', async () => {
    await using driver = await installOnNode(gpus);
    await driver.onNode('mkdir -p /run/cdi; mount -t tmpfs -o nr_inodes=1 tmpfs /run/cdi');
    await using node = await openClusterNode({ gpus, values: driver.values });
    const agent = node.startAgent([...driver.args, byName]);
    const said = await agent.waitForLog(({ msg }) =>
      msg.startsWith('the CDI specs are not as they should be'),
    );
    expect(String(said['reason'])).toContain(
      `/var/run/cdi/${gpuFile} cannot be written: ENOSPC: no space left on device`,
    );
    // Time for a registration that should not be.
    await delay(1500);
    expect(await node.usable()).toEqual([]);
    await driver.onNode('mount -o remount,nr_inodes=100 /run/cdi');
    await node.waitUntilAllUsable();
    await node.pods.run(gpuPod('one', 1));
    expect((await look(node.pods, 'one', gpus)).opens).toEqual(await minorsOf(node, 'one'));
  });
});
