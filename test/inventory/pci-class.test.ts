import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import type { Driver } from '../../src/inventory/driver.ts';
import { withPciClass } from '../../src/inventory/pci-class.ts';
import { gpu, snapshotOf } from '../support/snapshots.ts';
import { shortFolder } from '../support/short-folder.ts';

/** Reads GPUs at these addresses, whose driver knows no class, from a sysfs with these files. */
async function readClasses(
  addresses: readonly (string | null)[],
  files: Readonly<Record<string, string>>,
): Promise<readonly (string | null)[]> {
  const sysfsRoot = await shortFolder();
  for (const [name, text] of Object.entries(files)) {
    const file = join(sysfsRoot, 'bus/pci/devices', name, 'class');
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  const gpus = addresses.map((pciBusId, index) => gpu(index, { pciBusId, pciClass: null }));
  const driver: Driver = {
    snapshot: () => Promise.resolve(snapshotOf(gpus)),
    signs: () => Promise.resolve([]),
    events: () => (async function* nothing() {})(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const snapshot = await withPciClass(driver, { sysfsRoot }).snapshot();
  return snapshot.gpus.map(({ pciClass }) => pciClass);
}

test('the class is that of the PCI device', async () => {
  const files = { '0000:1b:00.0': '0x030200\n', '10000:43:00.0': '0x030000\n' };
  expect(await readClasses(['00000000:1b:00.0', '00010000:43:00.0'], files)).toEqual(['030200', '030000']);
});

test.each<[string, string | null, Readonly<Record<string, string>>]>([
  ['no address', null, { '0000:1b:00.0': '0x030200' }],
  ['no file', '00000000:1b:00.0', {}],
  ['a file with something else', '00000000:1b:00.0', { '0000:1b:00.0': '3D controller' }],
])('%s: nothing is said, and nothing fails', async (_title, address, files) => {
  expect(await readClasses([address], files)).toEqual([null]);
});
