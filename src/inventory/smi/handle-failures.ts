import { readPciBusId } from './fields.ts';

/** A GPU that nvidia-smi counts and cannot open. */
export interface HandleFailure {
  readonly index: number | null;
  readonly pciBusId: string;
  readonly error: string;
}

/**
 * Finds the lines `Unable to determine the device handle for GPU 0000:0B:00.0: GPU is lost.`, which stand in place of a GPU
 * in every kind of output (standard output or error, by driver version).
 */
export function parseHandleFailures(text: string): HandleFailure[] {
  return text.split('\n').flatMap((line) => {
    const match = pattern.exec(line);
    const pciBusId = readPciBusId(match?.[2]);
    if (match === null || pciBusId === null) return [];
    const index = match[1] === undefined ? null : Number(match[1]);
    return [{ index, pciBusId, error: match[3]?.trim().slice(0, 200) ?? '' }];
  });
}

const pattern =
  /^\s{0,20}Unable to determine the device handle for gpu ?(?:(\d{1,3}): ?)?([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]): (.{1,1000})/i;

/** True where nvidia-smi says that the driver has no GPU. */
export function saysNoDevices(text: string): boolean {
  return /^\s{0,20}No devices (?:were )?found/im.test(text.slice(0, 10_000));
}
