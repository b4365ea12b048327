import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findPciGpus } from '../../src/inventory/pci-gpus.ts';
import { shortFolder } from '../support/short-folder.ts';

interface PciDevice {
  readonly vendor?: string;
  readonly class?: string;
  readonly driver?: string;
}

/** A sysfs with these PCI devices. */
async function sysfsWith(devices: Readonly<Record<string, PciDevice>>): Promise<string> {
  const root = await shortFolder();
  for (const [address, { driver, ...files }] of Object.entries(devices)) {
    const folder = join(root, 'bus/pci/devices', address);
    await mkdir(folder, { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), `${text}\n`);
    if (driver !== undefined) await symlink(`../../../bus/pci/drivers/${driver}`, join(folder, 'driver'));
  }
  return root;
}

const h100 = { vendor: '0x10de', class: '0x030200' };

test.each<[string, PciDevice, boolean]>([
  ['a 3D controller of NVIDIA without a driver', h100, true],
  ['a display controller of NVIDIA', { ...h100, class: '0x030000' }, true],
  ['one with its driver', { ...h100, driver: 'nvidia' }, true],
  ['one with another driver', { ...h100, driver: 'nouveau' }, true],
  ['one that is passed to virtual machines', { ...h100, driver: 'vfio-pci' }, false],
  ['the audio function of a GPU', { ...h100, class: '0x040300' }, false],
  ['an NVSwitch', { ...h100, class: '0x068000' }, false],
  ['a display controller of another vendor', { vendor: '0x1234', class: '0x030000' }, false],
  ['a device that is being removed', {}, false],
])('%s', async (_title, device, isGpu) => {
  const root = await sysfsWith({
    '0000:00:1f.0': { vendor: '0x8086', class: '0x060100' },
    '0000:1b:00.0': device,
  });
  expect(await findPciGpus(root)).toEqual(isGpu ? ['0000:1b:00.0'] : []);
});

test('all of several, by address', async () => {
  const root = await sysfsWith({ '10000:43:00.0': h100, '0000:43:00.0': h100, '0000:1b:00.0': h100 });
  expect(await findPciGpus(root)).toEqual(['0000:1b:00.0', '0000:43:00.0', '10000:43:00.0']);
});

test('a sysfs that cannot be read says nothing', async () => {
  expect(await findPciGpus(await shortFolder())).toBeNull();
  const odd = await sysfsWith({ '0000:1b:00.0': { class: '0x030200' } });
  await mkdir(join(odd, 'bus/pci/devices/0000:1b:00.0/vendor'));
  expect(await findPciGpus(odd)).toBeNull();
});
