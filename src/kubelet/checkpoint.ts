import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { recordAnnotation } from '../allocation/record.ts';
import { OperatorError, systemErrorCode } from '../lib/errors.ts';
import { decodeContainerResponse } from './wire.ts';

/** Device ids that the kubelet has booked for one container, from its own records. */
export interface CheckpointEntry {
  readonly podUid: string;
  readonly container: string;
  readonly resource: string;
  readonly deviceIds: readonly string[];
  /** The record in the annotations of the answer that the kubelet keeps; `null` where there is none. */
  readonly record: string | null;
}

/** The kubelet's record of device allocations, in the folder of kubelet.sock. */
export const checkpointName = 'kubelet_internal_checkpoint';

/** The file's shape (kubernetes: pkg/kubelet/cm/devicemanager/checkpoint); fields that are not read are left alone. */
const checkpointFile = z.object({
  Data: z.object({
    PodDeviceEntries: z
      .array(
        z.object({
          PodUID: z.string(),
          ContainerName: z.string(),
          ResourceName: z.string(),
          DeviceIDs: z.record(z.string(), z.array(z.string()).nullable()).nullable(),
          AllocResp: z.string().nullish(),
        }),
      )
      .nullable(),
  }),
});

/**
 * Reads what the kubelet has booked. A file that is absent means no allocations, as the kubelet itself takes it.
 *
 * The kubelet writes the file at each allocation and for each device list that it receives, not when a pod ends: an entry
 * may be stale, a missing one is free.
 * @throws OperatorError `checkpoint-unreadable`
 */
export async function readCheckpoint(folder: string): Promise<readonly CheckpointEntry[]> {
  const path = join(folder, checkpointName);
  try {
    const { Data } = checkpointFile.parse(JSON.parse(await readFile(path, 'utf8')));
    return (Data.PodDeviceEntries ?? []).map((entry) => ({
      podUid: entry.PodUID,
      container: entry.ContainerName,
      resource: entry.ResourceName,
      deviceIds: Object.values(entry.DeviceIDs ?? {}).flatMap((ids) => ids ?? []),
      record: readRecord(entry.AllocResp ?? ''),
    }));
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return [];
    throw new OperatorError('checkpoint-unreadable', `The kubelet's record ${path} cannot be read`, {
      cause: thrown,
    });
  }
}

/** `null` also for an answer that cannot be decoded: whoever gave it, it has no record that could be read. */
function readRecord(answer: string): string | null {
  if (answer === '') return null;
  try {
    return decodeContainerResponse(Buffer.from(answer, 'base64')).annotations[recordAnnotation] ?? null;
  } catch {
    return null;
  }
}
