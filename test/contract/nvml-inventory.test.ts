import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { createNvmlDriver } from '../../src/inventory/nvml/client.ts';
import { architectures } from '../../src/inventory/nvml/constants.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import type { Gpu, Snapshot } from '../../src/inventory/gpu.ts';
import { mustSkip } from '../support/nvml-header.ts';
import { anyLibrary, inventoryOracle, thisProgram } from '../support/nvml-library.ts';

const library = await anyLibrary();
const oracle = await inventoryOracle();
const skip = mustSkip(library, 'the NVML inventory test') || mustSkip(oracle, 'the NVML inventory test');
const libraryPath = 'path' in library ? library.path : '';

/** No faults here: these tests hold for every libnvidia-ml, and compare with what it tells a C program. */
describe.skipIf(skip)('the inventory is what the library says', () => {
  test('of the system and of every GPU', async () => {
    const [said, snapshot] = [askOracle(), await readOnce()];
    expect({
      driverVersion: snapshot.driverVersion,
      cudaVersion: snapshot.cudaVersion,
      gpus: snapshot.gpus.map(asOracleSays),
      unreadable: snapshot.unreadable.map(({ index }) => index),
    }).toEqual(said);
    expect(snapshot.driver).toBe('nvml');
  });

  test('links join the GPUs of the node, both ways, by the same path', async () => {
    const { gpus } = await readOnce();
    const known = Object.values(architectures).map(([, name]) => name);
    for (const gpu of gpus) {
      expect(gpu.links.map(({ toUuid }) => toUuid)).toEqual(
        gpus.filter(({ uuid }) => uuid !== gpu.uuid).map(({ uuid }) => uuid),
      );
      for (const link of gpu.links) {
        const back = gpus
          .find(({ uuid }) => uuid === link.toUuid)
          ?.links.find((one) => one.toUuid === gpu.uuid);
        expect(back?.pcie).toBe(link.pcie);
      }
      expect(gpu.architecture === null || known.includes(gpu.architecture as never)).toBe(true);
    }
  });

  test('is the same at every reading, and callers at the same time share readings', async () => {
    await using driver = openDriver();
    const first = await driver.snapshot();
    const together = await Promise.all([driver.snapshot(), driver.snapshot(), driver.snapshot()]);
    for (const snapshot of together) expect(stable(snapshot)).toEqual(stable(first));
    expect(together[1]).toBe(together[0]);
  });
});

function openDriver(): ReturnType<typeof createNvmlDriver> {
  return createNvmlDriver(
    { library: libraryPath, driverRoot: '/', self: thisProgram },
    { log: silentLog(), clock: systemClock },
  );
}

async function readOnce(): Promise<Snapshot> {
  await using driver = openDriver();
  return await driver.snapshot();
}

/** Used memory may move under us on a machine that works. */
function stable(snapshot: Snapshot): Snapshot {
  return { ...snapshot, gpus: snapshot.gpus.map((gpu) => ({ ...gpu, memoryUsedMiB: null })) };
}

type SaidGpu = readonly (string | null)[];

/** The fields that the oracle prints, in its order. */
function asOracleSays(gpu: Gpu): SaidGpu {
  const onOff = (mode: boolean | undefined): string | null =>
    mode === undefined ? null : String(Number(mode));
  return [
    String(gpu.index),
    gpu.uuid,
    gpu.name,
    gpu.pciBusId,
    gpu.minor === null ? null : String(gpu.minor),
    gpu.computeCapability,
    gpu.memoryTotalMiB === null ? null : String(gpu.memoryTotalMiB),
    gpu.memoryReservedMiB === null ? null : String(gpu.memoryReservedMiB),
    onOff(gpu.mig?.current),
    onOff(gpu.mig?.pending),
  ];
}

function askOracle(): {
  driverVersion: string | null;
  cudaVersion: string | null;
  gpus: SaidGpu[];
  unreadable: number[];
} {
  const program = 'path' in oracle ? oracle.path : '';
  const lines = execFileSync(program, [libraryPath], { encoding: 'utf8' }).trim().split('\n');
  const [head = '', ...rows] = lines.map((line) => line.split('\t'));
  const [count, version = '-', cuda = '0'] = head;
  expect(rows).toHaveLength(Number(count));
  const mib = (bytes: string | undefined, round: (value: number) => number): string | null =>
    bytes === undefined || bytes === '-' ? null : String(round(Number(bytes) / 2 ** 20));
  return {
    driverVersion: version === '-' ? null : version,
    cudaVersion: cuda === '0' ? null : `${Math.floor(Number(cuda) / 1000)}.${(Number(cuda) % 1000) / 10}`,
    gpus: rows
      .filter((row) => row[1] !== 'unreadable')
      .map((row) => {
        const [index, uuid, name, pci, minor, capability, total, reserved, current, pending] = row.map(
          (word) => (word === '-' ? null : word),
        );
        const memory = [mib(total ?? undefined, Math.floor), mib(reserved ?? undefined, Math.ceil)];
        return [index, uuid, name, pci?.toLowerCase(), minor, capability, ...memory, current, pending].map(
          (word) => word ?? null,
        );
      }),
    unreadable: rows.filter((row) => row[1] === 'unreadable').map(([index]) => Number(index)),
  };
}
