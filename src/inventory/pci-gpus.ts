import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { systemErrorCode } from '../lib/errors.ts';

/**
 * PCI addresses of the NVIDIA GPUs that the kernel sees, driver or not: vendor 0x10de and the base class 0x03, which display and 3D
 * controllers have (PCI Code and ID Assignment Specification). One that is bound to vfio-pci is left out: it is a virtual machine's.
 * @param sysfsRoot `/sys`, or where it is mounted
 * @returns `null` where sysfs cannot be read, so that nobody can say
 */
export async function findPciGpus(sysfsRoot: string): Promise<readonly string[] | null> {
  const folder = join(sysfsRoot, 'bus/pci/devices');
  try {
    const names = await readdir(folder);
    const found = await Promise.all(names.map((name) => isOurs(join(folder, name))));
    return names.filter((_, index) => found[index]).toSorted();
  } catch {
    return null;
  }
}

/** @throws Error where it cannot be read; a device that was removed meanwhile is none */
async function isOurs(device: string): Promise<boolean> {
  const [vendor, pciClass] = await Promise.all([readId(device, 'vendor'), readId(device, 'class')]);
  if (vendor !== '0x10de' || pciClass?.startsWith('0x03') !== true) return false;
  const driver = await readlink(join(device, 'driver')).catch(() => '');
  return basename(driver) !== 'vfio-pci';
}

async function readId(device: string, name: 'vendor' | 'class'): Promise<string | null> {
  try {
    return (await readFile(join(device, name), 'utf8')).trim();
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return null;
    throw thrown;
  }
}
