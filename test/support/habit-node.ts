import { statSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointName } from '../../src/kubelet/checkpoint.ts';
import { waitUntilRewritten } from '../../src/kubelet/rewritten-checkpoint.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type FakePlugin, healthy } from '../simulator/fake-plugin.ts';

/** Devices that each container of a pod asks for; one that is left out is not there. */
export interface HabitPod {
  readonly name: string;
  /** Of an ordinary init container, which ends by itself. */
  readonly init?: number;
  readonly sidecar?: number;
  readonly app: number;
  /** The app container goes on after it was told to end; see `tellToEnd`. */
  readonly lingers?: boolean;
}

/** Sorted ids by `pod/container`. */
export type HabitBooks = Readonly<Record<string, readonly string[]>>;

/** A kubelet with a plugin of a few lines, as little as its habits can be seen on. */
export interface HabitNode {
  readonly plugin: FakePlugin;
  readonly deviceIds: readonly string[];
  /** That of kubelet.sock, the plugin's socket and the checkpoint. */
  readonly folder: string;
  /** Puts a pod on the node, and resolves when all its devices are booked; containers may have to start yet. */
  admit(pod: HabitPod): Promise<void>;
  /** Resolves when the app container runs. */
  untilRunning(pod: string): Promise<void>;
  /** Deletes a pod, and resolves when its containers have ended and it is gone. Nothing is asked of the kubelet. */
  end(pod: string): Promise<void>;
  /** Deletes a pod that lingers: its container goes on until `end` is called, which resolves when it has ended for the kubelet. */
  tellToEnd(pod: string): Promise<{ end(): Promise<void> }>;
  /** What pod-resources List says of the plugin's resource. */
  list(): Promise<HabitBooks>;
  /** Sends the plugin's list anew, and resolves when the kubelet has written its checkpoint after it. */
  resend(): Promise<void>;
  checkpoint(): Promise<HabitBooks>;
  /** Gives the kubelet time for what it should not do. */
  settle(): Promise<void>;
  /** Makes a pod that comes to the node when it is released, and not before. */
  holdBack(pod: HabitPod): Promise<{ release(): Promise<void> }>;
  /**
   * Starts the kubelet anew and registers the plugin. It knows no pod until `learnPods` is called, which resolves when it lists all
   * these containers.
   * @param whileDown done while no kubelet runs
   */
  restartKubelet(
    whileDown?: () => Promise<void>,
  ): Promise<{ learnPods(containers: readonly string[]): Promise<void> }>;
}

export const habitResource = 'habits.test/device';
export const habitDevices = healthy('d0', 'd1', 'd2', 'd3', 'd4', 'd5');
export const habitDeviceIds = habitDevices.map(({ id }) => id);

/** Far more than a kubelet takes to write a small file. */
const writtenWithinMs = 45_000;

/** See `HabitNode.resend`. */
export async function resendList(folder: string, plugin: FakePlugin): Promise<void> {
  const { signal } = new AbortController();
  const resend = (): boolean => {
    plugin.send(plugin.devices);
    return true;
  };
  if (!(await waitUntilRewritten(folder, resend, writtenWithinMs, systemClock, signal)))
    throw new Error('the kubelet does not write its checkpoint for a list that it has received');
}

/** What is another one when the file has been written anew. */
export function checkpointIdentity(folder: string): string {
  const { ino, ctimeNs } = statSync(join(folder, checkpointName), { bigint: true });
  return `${ino} ${ctimeNs}`;
}

/** Entries as books; `undefined` where the pod is none of the test's. */
export function toBooks(
  entries: readonly {
    readonly pod: string | undefined;
    readonly container: string;
    readonly ids: readonly string[];
  }[],
): HabitBooks {
  const known = entries.filter(({ pod }) => pod !== undefined);
  const named = known.map(
    ({ pod, container, ids }) => [`${pod ?? ''}/${container}`, ids.toSorted()] as const,
  );
  return Object.fromEntries(named.toSorted(([a], [b]) => a.localeCompare(b)));
}
