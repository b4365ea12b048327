import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BookedDevices, Reading } from '../../src/allocation/holdings/events.ts';
import { encodeRecord } from '../../src/allocation/record.ts';
import { emptyNode, type Node } from '../../src/app/node.ts';
import { recallState } from '../../src/app/books/recall-state.ts';
import { reportOrphans } from '../../src/app/books/report-orphans.ts';
import { memoryResource } from '../../src/resources/memory-units.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recordingLog } from '../support/recording-log.ts';
import { shortFolder } from '../support/short-folder.ts';
import { gpu, snapshotOf } from '../support/snapshots.ts';
import { deviceNodes } from './test-offer.ts';

export const boots = [
  '11111111-1111-4111-8111-111111111111',
  '22222222-2222-4222-8222-222222222222',
] as const;

/** The two GPUs of the node: 8 units each. */
export const gpus = [gpu(0), gpu(1)] as const;

/** What the kubelet's checkpoint says of a pod with memory of a GPU. */
export function booked(podUid: string, ids: readonly string[], index: 0 | 1 = 0): BookedDevices {
  const units = { count: ids.length, mib: 1024 };
  const record = encodeRecord({ version: 1, gpus: [{ uuid: gpus[index].uuid, mib: 1024 }], units });
  return { podUid, container: 'main', resource: memoryResource, deviceIds: ids, record };
}

/** What the kubelet's checkpoint says of a pod that has a GPU whole. */
export function bookedWhole(podUid: string, index: 0 | 1 = 0): BookedDevices {
  const { uuid } = gpus[index];
  const record = encodeRecord({ version: 1, gpus: [{ uuid, mib: 8192 }] });
  return { podUid, container: 'main', resource: 'nvidia.com/gpu', deviceIds: [uuid], record };
}

/** A folder with a boot id, and agents' nodes that begin with what the kubelet's checkpoint says. */
export async function openKeptNode() {
  const folder = await shortFolder();
  const clock = new ManualClock();
  const { log, lines } = recordingLog();
  const lock = { isHeld: true };
  const deps = {
    stateDir: join(folder, 'state'),
    procfsRoot: join(folder, 'proc'),
    clock,
    log,
    holdsLock: () => lock.isHeld,
  };
  const boot = async (at: 0 | 1): Promise<void> => {
    await mkdir(join(folder, 'proc/sys/kernel/random'), { recursive: true });
    await writeFile(join(folder, 'proc/sys/kernel/random/boot_id'), `${boots[at]}\n`);
  };
  await boot(0);
  return {
    folder,
    clock,
    deps,
    lock,
    lines,
    boot,
    said: (level: string): readonly string[] =>
      lines.filter((line) => line.level === level).map(({ msg }) => msg),
    /** A new agent that has just taken the lock, and may have planned the node before. */
    begin: async (
      checkpoint: Reading,
      kubelet = 'first',
      planned: 'planned' | 'not planned' = 'planned',
    ): Promise<Node> => {
      const node = emptyNode(clock);
      const { books, inventory } = node;
      if (planned === 'planned') plan(node, clock.now());
      books.onOrphans((news) =>
        reportOrphans(news, books.offer.node, inventory.value.reading?.snapshot, log),
      );
      await books.begin({
        look: () => ({ identity: kubelet, sinceMs: clock.now() }),
        recall: () => recallState(deps),
        read: () => Promise.resolve(checkpoint),
        reread: () => Promise.resolve(),
      });
      return node;
    },
  };
}

/** The first reading of the GPUs, and what it makes of the node: memory is on offer. */
export function plan(node: Node, atMs: number): void {
  read(node, atMs);
  node.books.setTerms({
    plan: {
      kind: 'planned',
      unitMiB: 1024,
      gpus: gpus.map(({ uuid, index }) => ({ uuid, index, units: 8, restMiB: 0, totalMiB: 8192 })),
      units: 16,
      leftOut: [],
      memoryOnly: new Set(),
      unknownDevices: [],
    },
    node: { memoryResource, known: new Set(gpus.map(({ uuid }) => uuid)), gpuOfMig: new Map() },
    faults: new Map(),
    maxPerContainer: null,
    fit: 'guaranteed',
    releaseDelayMs: 0,
  });
}

/** A new reading of the GPUs, in which the first one has so much memory in use; `null`: the driver does not say. */
export function read(
  { inventory }: Node,
  readAtMs: number,
  usedMiB: number | null = 5000,
  error: string | null = null,
): void {
  const snapshot = snapshotOf([gpu(0, { memoryUsedMiB: usedMiB, error }), gpus[1]]);
  inventory.set({
    reading: { snapshot, nodes: deviceNodes, readAtMs },
    failure: null,
    noDriver: false,
    pciGpus: null,
  });
}

/** `<pod> <GPU's index>`, with `orphan` behind it where it is one. */
export function held({ books }: Node): readonly string[] {
  return books.holdings.entries.map(({ owner, afterlife, record }) => {
    const index = gpus.findIndex(({ uuid }) => uuid === record?.gpus[0]?.uuid);
    return [owner?.podUid ?? 'unknown', index, ...(afterlife === null ? [] : [afterlife.kind])].join(' ');
  });
}
