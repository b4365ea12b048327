import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Driver } from './driver.ts';
import type { Gpu } from './gpu.ts';

/**
 * Lets a driver's snapshots say each GPU's NUMA node as the kernel sees it: `numa_node` of the PCI device, if that node has
 * CPUs (kubelet's topology manager knows no other). `null` where the kernel does not say. Never fails a snapshot.
 * @param options `sysfsRoot` is `/sys`, or where it is mounted
 */
export function withNumaFromSysfs(driver: Driver, options: { readonly sysfsRoot: string }): Driver {
  const known = new Map<string, number | null>();
  const locate = async (gpu: Gpu): Promise<Gpu> => {
    if (gpu.pciBusId === null) return gpu;
    const cached = known.get(gpu.pciBusId);
    const numaNode = cached === undefined ? await readNumaNode(options.sysfsRoot, gpu.pciBusId) : cached;
    if (numaNode !== undefined) known.set(gpu.pciBusId, numaNode);
    return { ...gpu, numaNode: numaNode ?? null };
  };
  return {
    async snapshot() {
      const snapshot = await driver.snapshot();
      return { ...snapshot, gpus: await Promise.all(snapshot.gpus.map(locate)) };
    },
    signs: () => driver.signs(),
    events: (signal) => driver.events(signal),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  };
}

/** The node, null for none, undefined where a file is missing or holds something else. */
async function readNumaNode(sysfsRoot: string, pciBusId: string): Promise<number | null | undefined> {
  const device = join(sysfsRoot, 'bus/pci/devices', sysfsName(pciBusId));
  const text = await readTrimmed(join(device, 'numa_node'));
  if (text === undefined || !/^-?\d{1,4}$/.test(text)) return undefined;
  const node = Number(text);
  if (node < 0) return null;
  const cpus = await readTrimmed(join(sysfsRoot, `devices/system/node/node${node}/cpulist`));
  if (cpus === undefined) return undefined;
  return cpus === '' ? null : node;
}

/** A PCI device's name in sysfs: the kernel writes the domain with four digits, and more only where it needs them. */
export function sysfsName(pciBusId: string): string {
  const [domain = '', ...rest] = pciBusId.split(':');
  return [domain.replace(/^0+/, '').padStart(4, '0'), ...rest].join(':');
}

async function readTrimmed(path: string): Promise<string | undefined> {
  // On some virtual machines there is none, and each reading of the GPUs looks again.
  if (!existsSync(path)) return undefined;
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    return undefined;
  }
}
