import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Driver } from './driver.ts';
import type { Gpu, MigInstance } from './gpu.ts';

/**
 * Lets a driver's snapshots say the capability device nodes of each MIG instance, as the kernel driver tells their minor
 * numbers: `driver/nvidia/capabilities/gpu<minor>/mig/gi<n>/access` and `…/ci<m>/access`, else its table
 * `driver/nvidia-caps/mig-minors`. An instance has both nodes or none. Never fails a snapshot.
 * @param options `procfsRoot` is `/proc`, or where it is mounted
 */
export function withMigCapabilities(driver: Driver, options: { readonly procfsRoot: string }): Driver {
  return {
    async snapshot() {
      const snapshot = await driver.snapshot();
      if (snapshot.gpus.every(({ migInstances }) => migInstances.length === 0)) return snapshot;
      const table = await readTable(options.procfsRoot);
      const find = async (gpu: Gpu): Promise<Gpu> => ({
        ...gpu,
        migInstances: await Promise.all(
          gpu.migInstances.map(async (instance) => ({
            ...instance,
            capabilityNodes: await findNodes(options.procfsRoot, table, gpu.minor, instance),
          })),
        ),
      });
      return { ...snapshot, gpus: await Promise.all(snapshot.gpus.map(find)) };
    },
    signs: () => driver.signs(),
    events: (signal) => driver.events(signal),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  };
}

/** By the names of the table: `gpu0/gi1/access`, `gpu0/gi1/ci0/access`. */
type MinorTable = ReadonlyMap<string, number>;

async function findNodes(
  procfsRoot: string,
  table: MinorTable,
  gpu: number | null,
  { gpuInstanceId, computeInstanceId }: MigInstance,
): Promise<string[]> {
  if (gpu === null) return [];
  const inGpu = [`gi${gpuInstanceId}`, `gi${gpuInstanceId}/ci${computeInstanceId}`];
  const minors = await Promise.all(
    inGpu.map(async (place) => {
      const file = join(procfsRoot, `driver/nvidia/capabilities/gpu${gpu}/mig/${place}/access`);
      return (await readMinor(file)) ?? table.get(`gpu${gpu}/${place}/access`) ?? null;
    }),
  );
  const found = minors.filter((minor) => minor !== null);
  return found.length < minors.length ? [] : found.map((minor) => `/dev/nvidia-caps/nvidia-cap${minor}`);
}

/** The line `DeviceFileMinor: 12`. */
async function readMinor(path: string): Promise<number | null> {
  const match = /^DeviceFileMinor:\s*(\d{1,9})\s*$/m.exec(await readText(path));
  return match === null ? null : Number(match[1]);
}

/** Lines like `gpu0/gi1/ci0/access 13`: all instances that there can be. */
async function readTable(procfsRoot: string): Promise<MinorTable> {
  const text = await readText(join(procfsRoot, 'driver/nvidia-caps/mig-minors'));
  const rows = [...text.matchAll(/^(gpu\S{1,40}) (\d{1,9})$/gm)];
  return new Map(rows.map(([, name = '', minor]) => [name, Number(minor)]));
}

/** Empty for a file that cannot be read. */
async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return '';
  }
}
