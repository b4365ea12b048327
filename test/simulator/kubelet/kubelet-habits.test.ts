import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { checkpointName, decodeCheckpoint } from '../../../src/simulator/kubelet/checkpoint-file.ts';
import { defaultHabits } from '../../../src/simulator/kubelet/kubelet-habits.ts';
import type { Pod, PodSpec } from '../../../src/simulator/kubelet/pod.ts';
import { entryIds } from '../../../src/simulator/kubelet/pod-entries.ts';
import {
  habitDeviceIds,
  habitDevices,
  habitResource,
  resendList,
  toBooks,
  type HabitNode,
  type HabitPod,
} from '../../support/habit-node.ts';
import { kubeletHabits } from '../../support/kubelet-habits.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { listPods } from '../call-once.ts';
import { setUpKubelet, setUpPlugin } from '../node-setup.ts';

/** Only a test that fails waits for so long. */
const patienceMs = 20_000;
/** More than it takes to write a small file. */
const writingMs = 200;

describe('the stand-in kubelet, as the real one', () => {
  it.each(kubeletHabits)('$name', async ({ prove }) => prove(await openHabitNode()));

  it('has no habit that the page on the cluster does not name', async () => {
    const page = await readFile(join(import.meta.dirname, '../../cluster/README.md'), 'utf8');
    const rows = [...page.matchAll(/^\| (.+?) +\| yes +\| yes +\| yes +\|$/gm)].map((row) => row[1]);
    expect(rows).toEqual(kubeletHabits.map(({ name }) => name));
  });
});

async function openHabitNode(): Promise<HabitNode> {
  const clock = new ManualClock();
  const kubelet = await setUpKubelet({ clock });
  const plugin = await setUpPlugin(kubelet, {
    resource: habitResource,
    devices: habitDevices,
    options: { preferredAllocationAvailable: true },
  });
  const pods = new Map<string, Pod>();
  const podNamed = (name: string): Pod => {
    const pod = pods.get(name);
    if (pod === undefined) throw new Error(`There is no pod ${name}`);
    return pod;
  };
  const nameOf = (uid: string): string | undefined => [...pods.values()].find((pod) => pod.uid === uid)?.name;
  const end = (name: string): Promise<void> => Promise.resolve(kubelet.remove(podNamed(name)));

  return {
    plugin,
    deviceIds: habitDeviceIds,
    folder: kubelet.devicePluginFolder,
    async admit(wanted) {
      const pod = await kubelet.admit(toSpec(wanted));
      pods.set(pod.name, pod);
      if (pod.phase !== 'Running') throw new Error(`${pod.name} is ${pod.phase}: ${pod.message}`);
    },
    // Containers start at once.
    untilRunning: () => Promise.resolve(),
    end,
    tellToEnd: (name) => Promise.resolve({ end: () => end(name) }),
    async list() {
      const listed = await listPods(kubelet);
      return toBooks(listed.map(({ pod, container, deviceIds }) => ({ pod, container, ids: deviceIds })));
    },
    resend: () => resendList(kubelet.devicePluginFolder, plugin),
    async checkpoint() {
      const text = await readFile(join(kubelet.devicePluginFolder, checkpointName), 'utf8');
      const { entries } = decodeCheckpoint(text);
      return toBooks(
        entries.map((entry) => ({
          pod: nameOf(entry.podUid),
          container: entry.container,
          ids: [...entryIds(entry)],
        })),
      );
    },
    // What it does of itself it does by its clock or at once, but for the file.
    async settle() {
      await clock.advance(1000);
      await delay(writingMs);
    },
    holdBack(wanted) {
      const older = new Set(pods.keys());
      return Promise.resolve({
        release() {
          const younger = [...pods.values()].find(({ name }) => !older.has(name));
          void kubelet.admit(toSpec(wanted), younger).then((pod) => pods.set(pod.name, pod));
          return Promise.resolve();
        },
      });
    },
    async restartKubelet(whileDown = () => Promise.resolve()) {
      await kubelet.stop();
      await whileDown();
      await kubelet.restart();
      const from = kubelet.events.length;
      await plugin.listen();
      await plugin.register();
      await kubelet.waitForEvent('checkpoint-written', { from });
      return {
        async learnPods(containers) {
          await clock.advance(defaultHabits.readmitAfterMs);
          const running = (): number => kubelet.pods.filter(({ phase }) => phase === 'Running').length;
          await kubelet.waitUntil(
            () => running() === containers.length,
            patienceMs,
            () => 'all pods run',
          );
        },
      };
    },
  };
}

function toSpec({ name, init, sidecar, app }: HabitPod): PodSpec {
  const asking = (container: string, count: number) => ({
    name: container,
    resources: { [habitResource]: count },
  });
  return {
    name,
    initContainers: [
      ...(init === undefined ? [] : [asking('init', init)]),
      ...(sidecar === undefined ? [] : [{ ...asking('sidecar', sidecar), restartable: true }]),
    ],
    containers: [asking('app', app)],
  };
}
