import type {
  BookedDevices,
  HoldingsEvent,
  ListedDevices,
  Reading,
} from '../../../src/allocation/holdings/events.ts';
import type { KeptHoldings } from '../../../src/allocation/holdings/kept-holdings.ts';
import { noHoldings, type Holdings } from '../../../src/allocation/holdings/holdings.ts';
import { nextHoldings } from '../../../src/allocation/holdings/next-holdings.ts';
import { gpusOf, isForeign, type NodeGpus } from '../../../src/allocation/holdings/node-gpus.ts';
import { toKeep } from '../../../src/allocation/holdings/recall.ts';
import { encodeRecord, type AllocationRecord } from '../../../src/allocation/record.ts';
import { memoryResource } from '../../../src/resources/memory-units.ts';
import { gpuResource } from '../../../src/resources/resource-name.ts';

/** A node with the GPUs `GPU-a` to `GPU-d`, of which the last is in MIG mode. */
export const node: NodeGpus = {
  memoryResource,
  known: new Set(['GPU-a', 'GPU-b', 'GPU-c', 'GPU-d']),
  gpuOfMig: new Map([['MIG-1', 'GPU-d']]),
};

/** `m<first>` and the ids after it. */
export function units(first: number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `m${first + index}`);
}

export function record(gpu: string, count?: number): AllocationRecord {
  return {
    version: 1,
    gpus: [{ uuid: gpu, mib: 1024 }],
    ...(count !== undefined && { units: { count, mib: 1024 } }),
  };
}

/** An entry of the kubelet's checkpoint: memory, booked on a GPU. */
export function bookedUnits(
  pod: string,
  ids: readonly string[],
  gpu: string,
  container = 'app',
): BookedDevices {
  const text = encodeRecord(record(gpu, ids.length));
  return { podUid: pod, container, resource: memoryResource, deviceIds: ids, record: text };
}

/** An entry of the kubelet's checkpoint: a device of another resource; without our record unless one is given. */
export function bookedDevice(
  pod: string,
  id: string,
  text: string | null = null,
  resource: string = gpuResource,
): BookedDevices {
  return { podUid: pod, container: 'app', resource, deviceIds: [id], record: text };
}

/** What a List says of a container: one element for each id, as the kubelet has it. */
export function listedUnits(
  pod: string,
  ids: readonly string[],
  container = 'app',
): readonly ListedDevices[] {
  const name = { namespace: 'ns', pod, container, resourceName: memoryResource };
  return ids.map((id) => ({ ...name, deviceIds: [id] }));
}

/** Plays events, at times in seconds, and says in one line what is held then. */
export class History {
  holdings: Holdings;
  readonly releaseDelayMs: number;

  constructor(kubeletSinceSeconds = -3600, releaseDelayMs = 0) {
    this.holdings = noHoldings(kubeletSinceSeconds * 1000);
    this.releaseDelayMs = releaseDelayMs;
  }

  /** An agent that has begun at second 0, with a settled kubelet that holds this. */
  static settled(...entries: readonly BookedDevices[]): History {
    return new History().found(0, entries).round(0, entries).round(0, entries);
  }

  play(event: HoldingsEvent): this {
    this.holdings = nextHoldings(this.holdings, event, { node, releaseDelayMs: this.releaseDelayMs });
    return this;
  }

  /** @param kept what an earlier run has left, if any has */
  found(seconds: number, checkpoint: Reading, kept: KeptHoldings | null = null, kubelet = 'first'): this {
    return this.play({ kind: 'checkpoint-found', atMs: seconds * 1000, kubelet, checkpoint, kept });
  }

  kubelet(seconds: number, checkpoint: Reading): this {
    const kubelet = `begun at ${seconds}`;
    return this.play({ kind: 'kubelet-appeared', atMs: seconds * 1000, kubelet, checkpoint });
  }

  reread(seconds: number, checkpoint: Reading, before: Reading | null = null): this {
    return this.play({
      kind: 'checkpoint-reread',
      startedMs: seconds * 1000,
      atMs: seconds * 1000,
      checkpoint,
      before,
    });
  }

  listed(seconds: number, containers: readonly ListedDevices[] | null): this {
    return this.play({ kind: 'listed', atMs: seconds * 1000, containers });
  }

  round(seconds: number, checkpoint: Reading, containers: readonly ListedDevices[] | null = []): this {
    return this.play({
      kind: 'round',
      startedMs: seconds * 1000,
      atMs: seconds * 1000,
      containers,
      checkpoint,
    });
  }

  /** Grants units on a GPU. */
  answered(seconds: number, ids: readonly string[], gpu: string, claim: string | null = null): this {
    const atMs = seconds * 1000;
    return this.play({
      kind: 'answered',
      atMs,
      resource: memoryResource,
      deviceIds: ids,
      record: record(gpu, ids.length),
      claim,
    });
  }

  used(seconds: number, usedMiB: number, uuid = 'GPU-a'): this {
    return this.play({
      kind: 'memory-used',
      atMs: seconds * 1000,
      gpus: [{ uuid, usedMiB, reservedMiB: 500 }],
    });
  }

  acknowledged(seconds: number, gpu: string): this {
    return this.play({ kind: 'acknowledged', atMs: seconds * 1000, gpu });
  }

  /** What the next run finds in the state folder. */
  get kept(): KeptHoldings {
    return toKeep(this.holdings, node);
  }

  /** Each entry as `<pod> <ids> on <GPU>`, with what is special about it. */
  get held(): readonly string[] {
    return this.holdings.entries.map((entry) => {
      const { owner, ids, shown, afterlife } = entry;
      const [first = '', ...rest] = [...ids];
      const words = [
        owner?.podUid ?? 'unknown',
        rest.length === 0 ? first : `${first}+${rest.length}`,
        `on ${gpusOf(entry, node).join(',')}`,
        ...(shown === null ? [] : ['shown']),
        ...(afterlife === null ? [] : [afterlife.kind]),
        ...(isForeign(entry, node) ? ['foreign'] : []),
      ];
      return words.join(' ');
    });
  }
}
