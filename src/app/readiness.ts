import type { Gpu, Snapshot } from '../inventory/gpu.ts';
import type { GpuVerdict } from '../health/verdict.ts';
import type { ResourceName } from '../resources/resource-name.ts';
import type { CdiState } from './cdi/described.ts';
import type { InventoryState } from './driver/inventory-loop.ts';

/** What the readiness of the agent depends on. Times are milliseconds of the monotonic clock. */
export interface ReadinessFacts {
  readonly nowMs: number;
  /** Why the config in force is not the one that is written; `null` when it is. */
  readonly configProblem: string | null;
  readonly standingBy: boolean;
  /** What keeps the agent from serving; `null` while it holds the lock. */
  readonly waitingFor: string | null;
  readonly resources: readonly ResourceFacts[];
  readonly inventory: InventoryState;
  /** What is held against GPUs, by UUID. */
  readonly health: ReadonlyMap<string, Pick<GpuVerdict, 'state' | 'findings' | 'unmonitored'>>;
  /** Whether the driver is closed because an admin wants it so. */
  readonly driverClosed: boolean;
  /** What cannot be offered as the config asks, one sentence each. */
  readonly degradations: readonly string[];
  /** `null` where containers are not given devices by CDI name. */
  readonly cdi: Pick<CdiState, 'problem' | 'trouble'> | null;
  readonly rescanIntervalMs: number;
  /** How many containers the kubelet has lost that may still run on GPUs. */
  readonly orphans: number;
  /** Why nothing new is given of GPU memory; `null` when it is, or none is offered. */
  readonly memoryPause: string | null;
  /** What is to be mended on the node although GPUs are served. */
  readonly troubles: readonly string[];
}

interface ResourceFacts {
  readonly name: ResourceName;
  readonly connected: boolean;
  /** Why it is, or was last, not registered; `null` when that is not known. */
  readonly reason: string | null;
}

export interface Readiness {
  readonly ok: boolean;
  readonly reasons: readonly string[];
}

/** A reading older than this many intervals, and this many milliseconds, is stale. */
const staleIntervals = 3;
const staleAtLeastMs = 30_000;

/** True for a reading of the GPUs that should have been followed by another one long ago. */
export function isStale(ageMs: number, rescanIntervalMs: number): boolean {
  return ageMs > Math.max(staleIntervals * rescanIntervalMs, staleAtLeastMs);
}

/**
 * Ready: registered with the live kubelet, or standing by, with a fresh inventory. A node without GPUs is ready with 0 devices: there is
 * nothing to be mended on it. One without a driver is not where the PCI bus has GPUs, and is where nobody can say what it has.
 */
export function judgeReadiness(facts: ReadinessFacts): Readiness {
  const problems = [
    ...(facts.configProblem === null ? [] : [`config: ${facts.configProblem}`]),
    ...inventoryProblems(facts),
    ...(facts.cdi === null || facts.cdi.problem === null ? [] : [`cdi: ${facts.cdi.problem}`]),
    ...servingProblems(facts),
  ];
  if (problems.length > 0) return { ok: false, reasons: problems };
  return { ok: true, reasons: notes(facts) };
}

/** What an admin may want to know of an agent that does its work. */
function notes({
  standingBy,
  resources,
  inventory,
  health,
  degradations,
  cdi,
  orphans,
  memoryPause,
  troubles,
}: ReadinessFacts): readonly string[] {
  const { reading, failure } = inventory;
  return [
    ...(standingBy ? ['standing by: another agent serves this node'] : []),
    ...(resources.length === 0 ? [`0 devices: ${whyNothing(inventory)}`] : []),
    ...(reading !== null && failure !== null ? [`the newest reading failed: ${failure}`] : []),
    ...degradations,
    ...(orphans === 0
      ? []
      : [`containers that the kubelet has lost and that may still run: ${orphans}; see 'slicewise orphans'`]),
    ...(memoryPause === null ? [] : [`no GPU memory is given out: ${memoryPause}`]),
    ...troubles,
    ...(cdi?.trouble ?? []).map((each) => `cdi: ${each}`),
    ...(reading === null ? [] : gpuNotes(reading.snapshot, health)),
  ];
}

function gpuNotes({ gpus, unreadable }: Snapshot, health: ReadinessFacts['health']): readonly string[] {
  const lost = gpus.filter((gpu) => gpu.error !== null);
  return [
    ...lost.map((gpu) => `GPU ${gpu.index} (${gpu.uuid}) cannot be used: ${gpu.error}`),
    ...unreadable.map(({ index, error }) => `GPU ${index} is not offered: ${error}`),
    ...healthNotes(gpus, health),
    ...missingNotes(gpus, health),
  ];
}

/** GPUs that answer and are out, that somebody has to look after, or of whose faults nobody would hear. */
function healthNotes(gpus: readonly Gpu[], health: ReadinessFacts['health']): readonly string[] {
  const answering = gpus.filter(({ error }) => error === null);
  const blind = answering.map((gpu) => ({ gpu, why: health.get(gpu.uuid)?.unmonitored ?? null }));
  return [
    ...answering.flatMap(({ index, uuid }) => {
      const verdict = health.get(uuid);
      const found = verdict?.findings.filter(({ effect }) => effect !== 'noted') ?? [];
      if (verdict === undefined || found.length === 0) return [];
      return [`GPU ${index} (${uuid}) is ${verdict.state}: ${found.map(({ what }) => what).join('; ')}`];
    }),
    ...[...Map.groupBy(blind, ({ why }) => why)].flatMap(([why, members]) =>
      why === null
        ? []
        : [`faults would not be told of GPU ${members.map(({ gpu }) => gpu.index).join(', ')}: ${why}`],
    ),
  ];
}

/** GPUs that something is held against and that the driver does not name. */
function missingNotes(gpus: readonly Gpu[], health: ReadinessFacts['health']): readonly string[] {
  const named = new Set(gpus.map(({ uuid }) => uuid));
  return [...health]
    .filter(([uuid, { state }]) => !named.has(uuid) && state === 'unhealthy')
    .map(([uuid, { findings }]) => {
      const found = findings.filter(({ effect }) => effect !== 'noted').map(({ what }) => what);
      return `${uuid}, which the driver does not name now, is unhealthy: ${found.join('; ')}`;
    });
}

function whyNothing({ reading, failure, pciGpus }: InventoryState): string {
  if (reading === null && pciGpus === 0) return 'no NVIDIA GPU on this node';
  if (failure !== null) return failure;
  return (reading?.snapshot.gpus ?? []).length === 0
    ? 'the driver shows no GPU'
    : 'the config offers none of the GPUs that the driver shows';
}

function inventoryProblems({
  inventory,
  nowMs,
  rescanIntervalMs,
  driverClosed,
}: ReadinessFacts): readonly string[] {
  const { reading, failure } = inventory;
  if (reading === null) return withoutReading(inventory);
  const { gpus, unreadable } = reading.snapshot;
  if (gpus.length === 0 && unreadable.length > 0) {
    return [
      `inventory: the driver counts ${unreadable.length} GPUs and none can be read: ${unreadable[0]?.error}`,
    ];
  }
  const ageMs = nowMs - reading.readAtMs;
  if (driverClosed || !isStale(ageMs, rescanIntervalMs)) return [];
  return [
    `inventory: last read ${Math.round(ageMs / 1000)} s ago: ${failure ?? 'the driver does not answer'}`,
  ];
}

function withoutReading({ failure, noDriver, pciGpus }: InventoryState): readonly string[] {
  if (failure === null) return ['inventory: the GPUs are being read for the first time'];
  if (pciGpus === 0 || (pciGpus === null && noDriver)) return [];
  if (!noDriver) return [`inventory: ${failure}`];
  const gpus = pciGpus === 1 ? 'an NVIDIA GPU' : `${pciGpus} NVIDIA GPUs`;
  return [`inventory: this node has ${gpus} and no driver: ${failure}`];
}

function servingProblems(facts: ReadinessFacts): readonly string[] {
  if (facts.standingBy) return [];
  if (facts.waitingFor !== null) return [facts.waitingFor];
  return facts.resources
    .filter(({ connected }) => !connected)
    .map(({ name, reason }) => `kubelet: ${name} is not registered${reason === null ? '' : `: ${reason}`}`);
}
