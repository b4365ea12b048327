import type { AllocationRecord } from './record.ts';

/**
 * Reads the record of an answer, written by this version of the agent, an older or a newer one: fields that are not known are left
 * alone. `null` for text that says nothing usable about which GPUs were given.
 */
export function decodeRecord(text: string): AllocationRecord | null {
  const value = parse(text);
  if (!isObject(value) || !Number.isSafeInteger(value['version']) || Number(value['version']) < 1)
    return null;
  const gpus = readGpus(value['gpus']);
  if (gpus === null) return null;
  if (value['units'] === undefined) return { version: 1, gpus };
  const units = readUnits(value['units']);
  return units === null ? null : { version: 1, gpus, units };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function readGpus(value: unknown): AllocationRecord['gpus'] | null {
  if (!Array.isArray(value) || value.length === 0) return null;
  const gpus = value.map((gpu: unknown) =>
    isObject(gpu) && typeof gpu['uuid'] === 'string' && gpu['uuid'] !== ''
      ? {
          uuid: gpu['uuid'],
          ...(typeof gpu['mig'] === 'string' && { mig: gpu['mig'] }),
          mib: typeof gpu['mib'] === 'number' ? gpu['mib'] : null,
        }
      : null,
  );
  return gpus.every((gpu) => gpu !== null) ? gpus : null;
}

function readUnits(value: unknown): { count: number; mib: number } | null {
  if (!isObject(value)) return null;
  const { count, mib } = value;
  return isAmount(count) && isAmount(mib) ? { count, mib } : null;
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
