import { type Prefer, preparePreferred } from '../src/allocation/preferred/preferred.ts';
import { type LinkedGpu, scoreMatrix } from '../src/allocation/preferred/topology.ts';
import { pcieDistances } from '../src/inventory/gpu.ts';
import { devicePluginService } from '../src/kubelet/wire.ts';
import { seededRandom, shuffled } from '../src/simulator/seeded-random.ts';
import type { Measurement } from './measurements.ts';

const random = seededRandom(1);

/** A node whose NVLinks follow no pattern: up to four between two GPUs. */
function mesh(count: number): readonly LinkedGpu[] {
  const uuids = Array.from({ length: count }, () => randomUuid());
  const linksOf = (row: number): readonly number[] =>
    uuids.map((_, other) => (row * 7 + other * 7 + row * other) % 5);
  return uuids.map((uuid, row) => ({
    uuid,
    numaNode: null,
    links: linksOf(row).flatMap((nvlinks, other) => {
      const toUuid = uuids[other];
      const pcie = pcieDistances[(row + other) % pcieDistances.length] ?? null;
      return toUuid === undefined || other === row ? [] : [{ toUuid, nvlinks, nvswitchLinks: 0, pcie }];
    }),
  }));
}

function randomUuid(): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('');
  return `GPU-${hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}`;
}

/** Whole GPUs, all of them free, in the sizes told by turns; the ids as a kubelet sends them, in no order. */
function chooseGpus(count: number, sizes: readonly number[]): Measurement['measure'] {
  return async function* measure(_subject, runs) {
    const gpus = mesh(count);
    const prefer = preparePreferred(
      gpus.map(({ uuid }) => ({ id: uuid, gpuUuid: uuid })),
      { links: scoreMatrix(gpus), policy: 'distributed' },
    );
    for (let run = 0; run < runs; run += 1)
      yield await timeRequest(
        prefer,
        gpus.map(({ uuid }) => uuid),
        sizes[run % sizes.length] ?? 1,
      );
  };
}

/** One replica of 20,000 on eight GPUs, all of them free. */
async function* chooseReplica(_subject: unknown, runs: number): AsyncGenerator<number> {
  const uuids = Array.from({ length: 8 }, randomUuid);
  const devices = uuids.flatMap((gpuUuid) =>
    Array.from({ length: 2500 }, (_, replica) => ({ id: `${gpuUuid}::${replica}`, gpuUuid })),
  );
  const prefer = preparePreferred(devices, { links: scoreMatrix([]), policy: 'distributed' });
  for (let run = 0; run < runs; run += 1)
    yield await timeRequest(
      prefer,
      devices.map(({ id }) => id),
      1,
    );
}

/** From the bytes of a request to those of its answer, as the plugin's server does it behind the socket. */
async function timeRequest(prefer: Prefer, ids: readonly string[], size: number): Promise<number> {
  const { GetPreferredAllocation } = devicePluginService;
  const bytes = GetPreferredAllocation.requestSerialize([
    { availableIds: shuffled(random, ids), requiredIds: [], size },
  ]);
  await new Promise(setImmediate);
  const startedMs = performance.now();
  const answer = GetPreferredAllocation.requestDeserialize(bytes).map(prefer);
  GetPreferredAllocation.responseSerialize(answer);
  const tookMs = performance.now() - startedMs;
  if (answer[0]?.length !== size) throw new Error(`asked for ${size}, got ${String(answer[0]?.length)}`);
  return tookMs;
}

/** What it takes to choose devices, behind the socket; the first calls, of a program that is not warm yet, count too. */
export const choices: readonly Measurement[] = [
  { name: 'preferred devices, 1 to 8 of 8 GPUs', unit: 'ms', runs: 2000, measure: chooseGpus(8, sizesTo(8)) },
  { name: 'preferred devices, 3 of 16 GPUs', unit: 'ms', runs: 2000, measure: chooseGpus(16, [3]) },
  {
    name: 'preferred devices, 1 to 16 of 16 GPUs',
    unit: 'ms',
    runs: 3200,
    measure: chooseGpus(16, sizesTo(16)),
  },
  { name: 'preferred devices, 1 of 20,000 replicas', unit: 'ms', runs: 100, measure: chooseReplica },
];

function sizesTo(highest: number): readonly number[] {
  return Array.from({ length: highest }, (_, index) => index + 1);
}
