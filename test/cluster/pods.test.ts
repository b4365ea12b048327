import { expect, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';
import { container, gpuPod, gpuResource, pod, showAndEnd, sidecar } from './support/pod-spec.ts';
import { restartsOf } from './support/pods.ts';

/** Major number of NVIDIA's GPUs and control node, by the kernel's list of devices. */
const nvidiaMajor = 195;

/** A T4's memory as NVIDIA's driver gives it. */
const t4MiB = 15_360;

/** The record as a later version of the agent has to be able to read it. */
interface BookingRecord {
  readonly version: number;
  readonly gpus: readonly { readonly uuid: string; readonly mib: number }[];
}

onCluster('a pod with GPUs', () => {
  test('sees the GPUs that the kubelet says it has, and no other', async () => {
    await using node = await openClusterNode();
    await node.startServingAgent();
    await node.pods.run(gpuPod('one', 1));
    await node.pods.run(gpuPod('two', 2));
    await node.pods.run(pod('none', { containers: [container('main', 0)] }));
    const holdings = await node.holdings();
    expect(holdings['one/main']).toHaveLength(1);
    expect(holdings['two/main']).toHaveLength(2);
    expect(holdings['none/main']).toBeUndefined();
    const given = Object.values(holdings).flat();
    expect(new Set(given).size).toBe(3);
    expect(node.gpus.ids).toEqual(expect.arrayContaining(given));
    expect(await node.pods.gpusSeenBy('one')).toEqual(holdings['one/main']);
    expect(await node.pods.gpusSeenBy('two')).toEqual(holdings['two/main']);
    expect(await node.pods.gpusSeenBy('none')).toEqual(['']);
  });

  test("leaves a record of its GPUs in the kubelet's checkpoint, and what it was told", async () => {
    await using node = await openClusterNode();
    await node.startServingAgent();
    const { metadata } = await node.pods.run(gpuPod('kept', 2));
    const [entry, ...others] = await node.recordsOf(metadata?.uid);
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ container: 'main', resource: gpuResource });
    const record = JSON.parse(entry?.annotations?.['slicewise.io/allocation'] ?? '') as BookingRecord;
    expect(record.version).toBe(1);
    expect(record.gpus.map(({ uuid }) => uuid).toSorted()).toEqual(entry?.ids);
    expect(record.gpus.map(({ mib }) => mib)).toEqual([t4MiB, t4MiB]);
    expect(entry?.ids).toEqual(await node.pods.gpusSeenBy('kept'));
    expect(entry?.envs?.['NVIDIA_VISIBLE_DEVICES']?.split(',').toSorted()).toEqual(entry?.ids);
  });

  test('can open its own device nodes and no other GPU, even one that it makes itself', async () => {
    await using node = await openClusterNode();
    const nodes = ['nvidiactl:255', ...node.gpus.ids.map((_id, minor) => `nvidia${minor}:${minor}`)];
    const commands = nodes.map((each) => {
      const [name = '', minor = ''] = each.split(':');
      return `rm -f /dev/${name}; mknod -m 666 /dev/${name} c ${nvidiaMajor} ${minor}`;
    });
    expect(await node.cluster.supervisor.run(['sh', '-ec', commands.join('\n')])).toMatchObject({ code: 0 });
    await node.startServingAgent(['--pass-device-specs=true']);
    await node.pods.run(gpuPod('one', 1));
    const [own = ''] = await node.pods.gpusSeenBy('one');
    const minor = node.gpus.ids.indexOf(own);
    const { stdout: listed } = await node.pods.exec('one', 'cd /dev && ls -d nvidia*');
    expect(listed.trim().split('\n').toSorted()).toEqual([`nvidia${minor}`, 'nvidiactl']);
    // No driver stands behind the nodes: what may be opened says so, what may not is refused before.
    const open = async (number: number): Promise<string> => {
      const script = `mknod /tmp/gpu${number} c ${nvidiaMajor} ${number}; cat /tmp/gpu${number}`;
      return (await node.pods.exec('one', script)).stderr.trim();
    };
    for (const number of node.gpus.ids.keys()) {
      expect(await open(number)).toContain(
        number === minor ? 'No such device or address' : 'Operation not permitted',
      );
    }
  });

  test('is told of its GPUs by mounts that no pod can fake', async () => {
    await using node = await openClusterNode();
    await node.startServingAgent(['--device-list-strategy=volume-mounts']);
    await node.pods.run(gpuPod('two', 2));
    const { stdout } = await node.pods.exec('two', 'ls /var/run/nvidia-container-devices');
    expect(stdout.trim().split('\n').toSorted()).toEqual((await node.holdings())['two/main']);
  });

  test('has the same GPU after its container has started again, while another pod has another', async () => {
    await using node = await openClusterNode({ gpus: 2 });
    await node.startServingAgent();
    await node.pods.run(gpuPod('first', 1));
    await node.pods.run(gpuPod('second', 1));
    const before = await node.holdings();
    await node.pods.exec('first', 'kill 1');
    await node.pods.waitFor('first', 'it has started again', (seen) => restartsOf(seen) === 1);
    await node.pods.waitUntilRunning('first');
    expect(await node.pods.gpusSeenBy('first')).toEqual(before['first/main']);
    expect(await node.holdings()).toEqual(before);
    expect(before['first/main']).not.toEqual(before['second/main']);
  });

  test('has one GPU for an init container and then a sidecar, and another for the app', async () => {
    await using node = await openClusterNode();
    await node.startServingAgent();
    const { metadata } = await node.pods.run(
      pod('staged', {
        initContainers: [container('init', 1, showAndEnd), sidecar('sidecar', 1)],
        containers: [container('main', 1)],
      }),
    );
    const init = await node.pods.gpusSeenBy('staged', 'init');
    expect(await node.pods.gpusSeenBy('staged', 'sidecar')).toEqual(init);
    expect(await node.pods.gpusSeenBy('staged')).not.toEqual(init);
    expect(await node.holdings()).toEqual({
      'staged/sidecar': init,
      'staged/main': await node.pods.gpusSeenBy('staged'),
    });
    const written = (await node.recordsOf(metadata?.uid)).map((entry) => [entry.container, entry.ids]);
    expect(Object.fromEntries(written)).toMatchObject({ init, sidecar: init });
  });

  test('fails with our own words when its GPU cannot be handed out', async () => {
    await using node = await openClusterNode({ gpus: 1, gpu: { minor: null } });
    await node.startServingAgent(['--pass-device-specs=true']);
    await node.pods.create(gpuPod('refused', 1));
    const { status } = await node.pods.waitUntilEnded('refused');
    expect(status).toMatchObject({ phase: 'Failed', reason: 'UnexpectedAdmissionError' });
    expect(status?.message).toContain(
      `${gpuResource}: 1 asked, but the driver does not say which /dev/nvidia<N>`,
    );
    expect(status?.message).toContain(node.gpus.ids[0]);
  });
});
