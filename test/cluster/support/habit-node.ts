import type { V1Container, V1Pod, V1PodSpec } from '@kubernetes/client-node';
import { setTimeout as delay } from 'node:timers/promises';
import { FakePlugin } from '../../simulator/fake-plugin.ts';
import {
  habitDeviceIds,
  habitDevices,
  habitResource,
  resendList,
  toBooks,
  type HabitBooks,
  type HabitNode,
  type HabitPod,
} from '../../support/habit-node.ts';
import { node as machine } from '../node/layout.ts';
import { type ClusterNode, openClusterNode } from './cluster-node.ts';
import { readAllocatable, readHoldings } from './oracle.ts';
import { container, pod, sidecar } from './pod-spec.ts';
import { signalPrograms } from './start-with-agent.ts';
import { waitFor } from './wait.ts';

/** Goes on for as long after it was told to end as nobody makes this file. */
const lingersUntil = '/tmp/end';
const linger = `trap 'while [ ! -e ${lingersUntil} ]; do sleep 0.1; done; exit 0' TERM; while :; do sleep 0.2; done`;
/** Longer than it takes to look at the pod meanwhile. */
const initScript = 'sleep 4';
/** Much longer than a pod's end takes to be seen by all parts of the kubelet. */
const settleMs = 2000;

/** The real kubelet with a plugin of a few lines and no agent; its books are clean of earlier pods. */
export async function openHabitNode(): Promise<HabitNode & AsyncDisposable> {
  await using held = new AsyncDisposableStack();
  const node = held.use(await openClusterNode({ gpus: 1 }));
  const { cluster, api, pods } = node;
  const { paths } = cluster;
  const plugin = new FakePlugin(
    { devicePluginFolder: paths.devicePlugins, registrationSocket: paths.kubeletSocket },
    {
      resource: habitResource,
      endpoint: `${node.namespace}.sock`,
      devices: habitDevices,
      options: { preferredAllocationAvailable: true },
    },
  );
  // A test that breaks off must not leave the API server stopped.
  held.defer(() => signalPrograms(node, 'kube-apiserver', 'CONT'));
  held.defer(() => plugin.die());
  const names = new Map<string, string>();

  const register = async (): Promise<void> => {
    await plugin.listen();
    // A kubelet that has just started may refuse the first connection.
    await waitFor('the plugin is registered', () => plugin.register().then(() => true), Boolean);
    const usable = (): Promise<readonly string[]> => readAllocatable(cluster, habitResource);
    await waitFor('the kubelet knows the devices', usable, (ids) => ids.join() === habitDeviceIds.join());
  };
  const list = async (): Promise<HabitBooks> => {
    const holdings = await readHoldings(cluster);
    return toBooks(holdings.filter(({ resource }) => resource === habitResource));
  };
  const checkpoint = async (): Promise<HabitBooks> => {
    const records = await Promise.all([...names.keys()].map((uid) => node.recordsOf(uid)));
    return toBooks(records.flat().map((entry) => ({ ...entry, pod: names.get(entry.podUid) })));
  };
  const resend = (): Promise<void> => resendList(paths.devicePlugins, plugin);

  await register();
  await waitFor(
    'the node offers the devices',
    async () => (await api.readNode({ name: machine.name })).status?.allocatable?.[habitResource],
    (count) => count === String(habitDeviceIds.length),
  );
  await list();
  await resend();
  const keep = held.move();
  return {
    plugin,
    deviceIds: habitDeviceIds,
    folder: paths.devicePlugins,
    async admit(wanted) {
      const { metadata } = await pods.create(toPod(wanted));
      names.set(metadata?.uid ?? '', wanted.name);
      const asking = ['init', 'sidecar', 'app'].filter((part) => part in wanted);
      await waitUntilBooked(node, wanted.name, asking.length);
    },
    async untilRunning(name) {
      await pods.waitUntilRunning(name);
    },
    end: (name) => pods.delete(name),
    async tellToEnd(name) {
      await pods.waitUntilRunning(name);
      await api.deleteNamespacedPod({ namespace: node.namespace, name });
      return {
        async end() {
          await pods.exec(name, `touch ${lingersUntil}`, 'app');
          await waitFor(`${name} has ended`, list, (books) => !(`${name}/app` in books));
        },
      };
    },
    list,
    resend,
    checkpoint,
    settle: () => delay(settleMs),
    async holdBack(wanted) {
      // No scheduler has this name, so the pod stays unbound.
      const { metadata } = await pods.create(toPod(wanted, { schedulerName: 'nobody' }));
      names.set(metadata?.uid ?? '', wanted.name);
      const target = { kind: 'Node', name: machine.name };
      const body = { metadata: { name: wanted.name }, target };
      return {
        async release() {
          await api.createNamespacedPodBinding({ namespace: node.namespace, name: wanted.name, body });
        },
      };
    },
    async restartKubelet(whileDown = () => Promise.resolve()) {
      await node.kubelet.stop();
      await whileDown();
      await signalPrograms(node, 'kube-apiserver', 'STOP');
      await node.kubelet.start();
      await register();
      return {
        async learnPods(containers) {
          await signalPrograms(node, 'kube-apiserver', 'CONT');
          const all = (books: HabitBooks): boolean => containers.every((each) => each in books);
          await waitFor('the kubelet lists its pods', list, all);
        },
      };
    },
    [Symbol.asyncDispose]: () => keep.disposeAsync(),
  };
}

/** Resolves when the kubelet has written down what it gave to all containers that ask. */
async function waitUntilBooked(node: ClusterNode, name: string, containers: number): Promise<void> {
  const ask = async () => {
    const { metadata, status } = await node.pods.read(name);
    return { records: await node.recordsOf(metadata?.uid), message: status?.message ?? '' };
  };
  const { records, message } = await waitFor(
    `pod ${name} has its devices`,
    ask,
    (seen) => seen.records.length === containers || seen.message !== '',
  );
  if (records.length !== containers) throw new Error(`pod ${name}: ${message}`);
}

function toPod(
  { name, init, sidecar: helper, app, lingers }: HabitPod,
  also: Pick<V1PodSpec, 'schedulerName'> = {},
): V1Pod {
  const ask = (part: V1Container, count: number): V1Container => {
    part.resources = { limits: { [habitResource]: String(count) } };
    return part;
  };
  return pod(name, {
    ...also,
    ...(lingers === true && { terminationGracePeriodSeconds: 100 }),
    initContainers: [
      ...(init === undefined ? [] : [ask(container('init', 0, initScript), init)]),
      ...(helper === undefined ? [] : [ask(sidecar('sidecar', 0), helper)]),
    ],
    containers: [ask(lingers === true ? container('app', 0, linger) : container('app', 0), app)],
  });
}
