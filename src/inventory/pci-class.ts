import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Driver } from './driver.ts';
import type { Gpu } from './gpu.ts';
import { sysfsName } from './numa.ts';

/**
 * Lets a driver's snapshots say each GPU's PCI class as the kernel has it (`class` of the PCI device). `null` where the kernel does not
 * say. Never fails a snapshot.
 * @param options `sysfsRoot` is `/sys`, or where it is mounted
 */
export function withPciClass(driver: Driver, options: { readonly sysfsRoot: string }): Driver {
  const known = new Map<string, string>();
  const classify = async (gpu: Gpu): Promise<Gpu> => {
    const { pciBusId } = gpu;
    if (pciBusId === null) return gpu;
    const pciClass = known.get(pciBusId) ?? (await readClass(options.sysfsRoot, pciBusId));
    if (pciClass !== null) known.set(pciBusId, pciClass);
    return { ...gpu, pciClass };
  };
  return {
    async snapshot() {
      const snapshot = await driver.snapshot();
      return { ...snapshot, gpus: await Promise.all(snapshot.gpus.map(classify)) };
    },
    signs: () => driver.signs(),
    events: (signal) => driver.events(signal),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  };
}

/** The kernel writes `0x030200`. */
async function readClass(sysfsRoot: string, pciBusId: string): Promise<string | null> {
  const path = join(sysfsRoot, 'bus/pci/devices', sysfsName(pciBusId), 'class');
  if (!existsSync(path)) return null;
  try {
    const text = await readFile(path, 'utf8');
    return /^0x([0-9a-f]{6})$/.exec(text.trim())?.[1] ?? null;
  } catch {
    return null;
  }
}
