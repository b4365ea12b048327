import { open, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { decodeContainerResponse, encodeContainerResponse } from '../../kubelet/wire.ts';
import type { EventLog } from './kubelet-events.ts';
import type { KubeletFaults } from './kubelet-faults.ts';
import type { PodEntry } from './pod-entries.ts';

/** The name of the kubelet's checkpoint in the device-plugins folder. */
export const checkpointName = 'kubelet_internal_checkpoint';

/** What the kubelet writes down: its entries, and the healthy ids of each resource. */
export interface CheckpointContent {
  readonly entries: readonly PodEntry[];
  readonly healthyIds: ReadonlyMap<string, readonly string[]>;
}

interface CheckpointJson {
  readonly Data: {
    readonly PodDeviceEntries:
      | readonly {
          readonly PodUID: string;
          readonly ContainerName: string;
          readonly ResourceName: string;
          readonly DeviceIDs: Readonly<Record<string, readonly string[]>>;
          readonly AllocResp: string;
        }[]
      | null;
    readonly RegisteredDevices: Readonly<Record<string, readonly string[]>>;
  };
  readonly Checksum: number;
}

/** The kubelet's checkpoint on disk. */
export class CheckpointFile {
  readonly #folder: string;
  readonly #deps: { readonly clock: Clock; readonly faults: KubeletFaults; readonly events: EventLog };

  #last: Promise<void> = Promise.resolve();

  constructor(folder: string, deps: { clock: Clock; faults: KubeletFaults; events: EventLog }) {
    this.#folder = folder;
    this.#deps = deps;
  }

  /**
   * Replaces the file as the kubelet does: a temporary file in the same folder, synced, then renamed. The content is
   * fixed at once. Writes land in their order, so that a slow disk makes no test flicker; only a write delayed by a
   * fault can be overtaken. Nothing is written once the signal has aborted.
   */
  async write(content: CheckpointContent, signal: AbortSignal): Promise<void> {
    const text = encodeCheckpoint(content);
    const delayMs = this.#deps.faults.checkpointDelaysMs.shift() ?? 0;
    const written = delayMs > 0 ? this.#deps.clock.sleep(delayMs, signal) : this.#last;
    const result = written.then(() => this.#replace(text, signal));
    if (delayMs === 0) this.#last = result.catch(() => undefined);
    await result;
    this.#deps.events.add({ kind: 'checkpoint-written', entries: content.entries.length });
  }

  /** The file's content; throws when it is missing or cannot be read. */
  async read(): Promise<CheckpointContent> {
    return decodeCheckpoint(await readFile(join(this.#folder, checkpointName), 'utf8'));
  }

  /** Resolves when no write is under way. */
  settled(): Promise<void> {
    return this.#last;
  }

  async #replace(text: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await mkdir(this.#folder, { recursive: true });
    const temporary = join(this.#folder, `.${String(Math.floor(Math.random() * 1e10))}`);
    try {
      await using file = await open(temporary, 'wx', 0o600);
      await file.writeFile(text);
      await file.sync();
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await rename(temporary, join(this.#folder, checkpointName));
  }
}

/**
 * The checkpoint in the kubelet's JSON. Without entries the list is `null`, as Go writes it. The checksum is FNV-1a of
 * the JSON text; the kubelet's is of its own memory dump, so neither accepts the other's.
 */
export function encodeCheckpoint(content: CheckpointContent): string {
  const entries = content.entries.map((entry) => ({
    PodUID: entry.podUid,
    ContainerName: entry.container,
    ResourceName: entry.resource,
    DeviceIDs: Object.fromEntries(entry.idsByNumaNode),
    AllocResp: Buffer.from(encodeContainerResponse(entry.response)).toString('base64'),
  }));
  const data: CheckpointJson['Data'] = {
    PodDeviceEntries: entries.length === 0 ? null : entries,
    RegisteredDevices: Object.fromEntries(content.healthyIds),
  };
  return JSON.stringify({ Data: data, Checksum: fnv1a(JSON.stringify(data)) } satisfies CheckpointJson);
}

/** Reads what `encodeCheckpoint` or a kubelet wrote; the checksum is not checked. */
export function decodeCheckpoint(text: string): CheckpointContent {
  const { Data } = JSON.parse(text) as CheckpointJson;
  return {
    entries: (Data.PodDeviceEntries ?? []).map((entry) => ({
      podUid: entry.PodUID,
      container: entry.ContainerName,
      resource: entry.ResourceName,
      idsByNumaNode: new Map(Object.entries(entry.DeviceIDs).map(([node, ids]) => [Number(node), ids])),
      response: decodeContainerResponse(Buffer.from(entry.AllocResp, 'base64')),
    })),
    healthyIds: new Map(Object.entries(Data.RegisteredDevices)),
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
