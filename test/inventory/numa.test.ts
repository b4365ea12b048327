import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Driver } from '../../src/inventory/driver.ts';
import { withNumaFromSysfs } from '../../src/inventory/numa.ts';
import { createSimulatedDriver } from '../../src/inventory/simulated/simulated-driver.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';

let sysfsRoot: string;

beforeEach(async () => {
  sysfsRoot = await mkdtemp(join(tmpdir(), 'sys-'));
});

afterEach(async () => {
  await rm(sysfsRoot, { recursive: true, force: true });
});

async function put(path: string, text: string): Promise<void> {
  const file = join(sysfsRoot, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

const device = (bus: string): string => `bus/pci/devices/${bus}/numa_node`;
const cpus = (node: number): string => `devices/system/node/node${node}/cpulist`;

/** A simulated node whose GPUs have the given PCI addresses and claim NUMA node 9. */
async function openNode(...pciBusIds: readonly (string | null)[]): Promise<Driver> {
  const gpus = pciBusIds.map((pciBusId) => ({ model: 't4', pciBusId, numaNode: 9 }));
  await put('scenario.json', JSON.stringify({ gpus }));
  return createSimulatedDriver(
    { scenario: join(sysfsRoot, 'scenario.json') },
    { log: silentLog(), clock: systemClock },
  );
}

async function readNodes(driver: Driver): Promise<(number | null)[]> {
  return (await driver.snapshot()).gpus.map(({ numaNode }) => numaNode);
}

test('the node of the PCI device, where it has CPUs', async () => {
  await put(device('0000:1b:00.0'), '1\n');
  await put(device('10000:1c:00.0'), '0\n');
  await put(device('0000:1d:00.0'), '-1\n');
  await put(device('0000:1e:00.0'), '2\n');
  await put(device('0000:1f:00.0'), 'garbage');
  await put(cpus(0), '0-15\n');
  await put(cpus(1), '16-31\n');
  await put(cpus(2), '\n');
  const driver = await openNode(
    '00000000:1b:00.0',
    '00010000:1c:00.0',
    '00000000:1d:00.0',
    '00000000:1e:00.0',
    '00000000:1f:00.0',
    '00000000:20:00.0',
    null,
  );
  await using located = withNumaFromSysfs(driver, { sysfsRoot });
  expect(await readNodes(located)).toEqual([1, 0, null, null, null, null, 9]);
});

test('a definite answer is kept, a missing file is looked for again', async () => {
  await put(device('0000:1b:00.0'), '-1\n');
  await put(cpus(0), '0-15\n');
  await using located = withNumaFromSysfs(await openNode('00000000:1b:00.0', '00000000:1c:00.0'), {
    sysfsRoot,
  });
  expect(await readNodes(located)).toEqual([null, null]);
  await put(device('0000:1b:00.0'), '0\n');
  await put(device('0000:1c:00.0'), '0\n');
  expect(await readNodes(located)).toEqual([null, 0]);
  await rm(join(sysfsRoot, 'bus'), { recursive: true });
  expect(await readNodes(located)).toEqual([null, 0]);
});
