import { readGpuUuid } from './fields.ts';
import { garbage } from './garbage.ts';
import { parseHandleFailures, saysNoDevices } from './handle-failures.ts';

/** A GPU of `nvidia-smi -L`. */
export interface ListedGpu {
  readonly index: number;
  readonly name: string;
  readonly uuid: string;
  readonly migDevices: readonly ListedMigDevice[];
}

/** A MIG device of `nvidia-smi -L`; `index` is the one that `-q` calls so. */
export interface ListedMigDevice {
  readonly index: number;
  readonly profile: string;
  readonly uuid: string;
}

/**
 * Reads what `nvidia-smi -L` prints, without the GPUs that it could not open.
 * @throws DriverError for text that lists no GPU and does not say that there is none
 */
export function parseList(text: string): ListedGpu[] {
  const gpus: (ListedGpu & { readonly migDevices: ListedMigDevice[] })[] = [];
  for (const line of text.split('\n')) {
    const gpu = parseGpuLine(line);
    const migDevice = parseMigLine(line);
    if (gpu !== null) gpus.push({ ...gpu, migDevices: [] });
    else if (migDevice !== null) gpus.at(-1)?.migDevices.push(migDevice);
  }
  if (gpus.length === 0 && !saysNoDevices(text) && parseHandleFailures(text).length === 0)
    throw garbage('nvidia-smi -L', text, 'no list of GPUs');
  return gpus;
}

/** `GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-…)` */
function parseGpuLine(line: string): Omit<ListedGpu, 'migDevices'> | null {
  const match = /^GPU (\d{1,3}): (.{1,200}) \(UUID: (GPU-[^)]{1,60})\)\s*$/.exec(line);
  const uuid = readGpuUuid(match?.[3]);
  if (match === null || uuid === null) return null;
  return { index: Number(match[1]), name: match[2]?.trim() ?? '', uuid };
}

/** `  MIG 3g.40gb     Device  0: (UUID: MIG-…)` */
function parseMigLine(line: string): ListedMigDevice | null {
  const match =
    /^\s{1,8}MIG (\S{1,40})\s{1,20}Device\s{1,4}(\d{1,3}): \(UUID: (MIG-[0-9a-zA-Z/-]{4,80})\)\s*$/.exec(
      line,
    );
  if (match === null) return null;
  return { index: Number(match[2]), profile: match[1] ?? '', uuid: match[3] ?? '' };
}
