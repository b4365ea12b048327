import type { ResourceName } from '../resources/resource-name.ts';
import type { CdiState } from './described.ts';
import type { InventoryState } from './inventory-loop.ts';

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
 * Ready: registered with the live kubelet, or standing by, with a fresh inventory. A node without a driver or without GPUs is
 * ready with 0 devices: there is nothing that a restart or an admin's look could mend in the agent.
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
  inventory: { reading, failure },
  degradations,
  cdi,
  orphans,
  memoryPause,
  troubles,
}: ReadinessFacts): readonly string[] {
  const lost = (reading?.snapshot.gpus ?? []).filter((gpu) => gpu.error !== null);
  return [
    ...(standingBy ? ['standing by: another agent serves this node'] : []),
    ...(resources.length === 0 ? [`0 devices: ${failure ?? whyNothing(reading)}`] : []),
    ...(reading !== null && failure !== null ? [`the newest reading failed: ${failure}`] : []),
    ...degradations,
    ...(orphans === 0
      ? []
      : [`containers that the kubelet has lost and that may still run: ${orphans}; see 'slicewise orphans'`]),
    ...(memoryPause === null ? [] : [`no GPU memory is given out: ${memoryPause}`]),
    ...troubles,
    ...(cdi?.trouble ?? []).map((each) => `cdi: ${each}`),
    ...lost.map((gpu) => `GPU ${gpu.index} (${gpu.uuid}) cannot be used: ${gpu.error}`),
    ...(reading?.snapshot.unreadable ?? []).map(
      ({ index, error }) => `GPU ${index} is not offered: ${error}`,
    ),
  ];
}

function whyNothing(reading: InventoryState['reading']): string {
  return (reading?.snapshot.gpus ?? []).length === 0
    ? 'the driver shows no GPU'
    : 'the config offers none of the GPUs that the driver shows';
}

function inventoryProblems({ inventory, nowMs, rescanIntervalMs }: ReadinessFacts): readonly string[] {
  const { reading, failure, noDriver } = inventory;
  if (reading === null) {
    if (noDriver) return [];
    return [
      failure === null ? 'inventory: the GPUs are being read for the first time' : `inventory: ${failure}`,
    ];
  }
  const { gpus, unreadable } = reading.snapshot;
  if (gpus.length === 0 && unreadable.length > 0) {
    return [
      `inventory: the driver counts ${unreadable.length} GPUs and none can be read: ${unreadable[0]?.error}`,
    ];
  }
  const ageMs = nowMs - reading.readAtMs;
  if (!isStale(ageMs, rescanIntervalMs)) return [];
  return [
    `inventory: last read ${Math.round(ageMs / 1000)} s ago: ${failure ?? 'the driver does not answer'}`,
  ];
}

function servingProblems(facts: ReadinessFacts): readonly string[] {
  if (facts.standingBy) return [];
  if (facts.waitingFor !== null) return [facts.waitingFor];
  return facts.resources
    .filter(({ connected }) => !connected)
    .map(({ name, reason }) => `kubelet: ${name} is not registered${reason === null ? '' : `: ${reason}`}`);
}
