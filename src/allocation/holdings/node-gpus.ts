import { parseDeviceId } from '../../resources/device-id.ts';
import type { Entry } from './entry.ts';

/** The GPUs of the node, as far as holdings speak of them. */
export interface NodeGpus {
  /** The resource of memory units. */
  readonly memoryResource: string;
  /** UUIDs of all GPUs that are known, those that are lost included. */
  readonly known: ReadonlySet<string>;
  /** The GPU of each MIG instance, by UUID. */
  readonly gpuOfMig: ReadonlyMap<string, string>;
}

/** True for units of memory; everything else holds its GPUs whole. */
export function isMemory(entry: Pick<Entry, 'resource'>, node: NodeGpus): boolean {
  return entry.resource === node.memoryResource;
}

/**
 * UUIDs of the GPUs that an entry is booked on: those of its record. An entry of another plugin has none and inherits: `GPU-<uuid>`,
 * `MIG-<uuid>` and their replicas `…::<n>` name their GPU.
 */
export function gpusOf(entry: Entry, node: NodeGpus): readonly string[] {
  if (entry.record !== null) return [...new Set(entry.record.gpus.map(({ uuid }) => uuid))];
  return [...new Set([...entry.ids].flatMap((id) => gpuOfId(id, node) ?? []))];
}

/** The GPU that a device id names; `null` for an id that names none. */
export function gpuOfId(id: string, node: NodeGpus): string | null {
  const { uuid } = parseDeviceId(id);
  return uuid.startsWith('GPU-') ? uuid : (node.gpuOfMig.get(uuid) ?? null);
}

/**
 * True for what nobody can place: an entry without a record whose ids do not name known GPUs, or one that appeared while we answered
 * for the resource. As long as it is there, nothing new is offered of memory.
 */
export function isForeign(entry: Entry, node: NodeGpus): boolean {
  if (entry.record !== null) return false;
  return entry.late || ![...entry.ids].every((id) => node.known.has(gpuOfId(id, node) ?? ''));
}
