import type { PcieDistance } from '../gpu.ts';
import { changeGpu, isGpuEvent } from './change-gpu.ts';
import { showValue, type ScenarioProblem } from './scenario-problems.ts';
import type { CheckedScenario, GpuEntry, GpuFigures, GpuOverride, ScenarioEvent } from './scenario-schema.ts';
import {
  applyFigures,
  applyMigChange,
  createGpu,
  describeMigMisfit,
  type SimulatedGpu,
} from './simulated-gpu.ts';

/** A scenario that is known to be sound. */
export interface Scenario {
  readonly name: string;
  readonly driverVersion: string | null;
  readonly cudaVersion: string | null;
  /** The GPUs at the start; their positions are what events name. */
  readonly gpus: readonly SimulatedGpu[];
  /** NVLinks from every GPU to the NVSwitches. */
  readonly nvswitchLinks: number;
  readonly links: readonly ScenarioLink[];
  /** Ascending by time. */
  readonly timeline: readonly ScenarioEvent[];
}

/** The wires between two GPUs, both ways alike. */
interface ScenarioLink {
  readonly between: readonly [number, number];
  readonly nvlinks: number;
  readonly nvswitchLinks: number | null;
  /** `undefined`: derive it from the NUMA nodes. */
  readonly pcie: PcieDistance | null | undefined;
}

/** Puts the parts together and says what does not fit; the scenario may be used only when nothing is said. */
export function assembleScenario(
  input: CheckedScenario,
  name: string,
): { scenario: Scenario; problems: readonly ScenarioProblem[] } {
  const problems: ScenarioProblem[] = [];
  const gpus = placeGpus(input, name, problems);
  checkReferences(input, gpus.length, problems);
  checkDuplicates(gpus, problems);
  checkTimelineMig(input, gpus, problems);
  const scenario: Scenario = {
    name,
    driverVersion: input.driverVersion === undefined ? '580.95.05' : input.driverVersion,
    cudaVersion: input.cudaVersion === undefined ? '13.0' : input.cudaVersion,
    gpus,
    nvswitchLinks: input.nvswitchLinks ?? 0,
    links: (input.links ?? []).map((link) => ({
      between: link.between,
      nvlinks: link.nvlinks ?? 0,
      nvswitchLinks: link.nvswitchLinks ?? null,
      pcie: link.pcie,
    })),
    timeline: (input.timeline ?? []).toSorted((left, right) => left.at - right.at),
  };
  return { scenario, problems };
}

function placeGpus(input: CheckedScenario, name: string, problems: ScenarioProblem[]): SimulatedGpu[] {
  const gpus: SimulatedGpu[] = [];
  for (const [at, entry] of (input.gpus ?? []).entries()) {
    const count = entry.count ?? 1;
    problems.push(...findSharedIdentity(entry, at));
    for (let copy = 0; copy < count; copy += 1) {
      const position = gpus.length;
      const overrides = (input.overrides ?? []).filter(({ gpu }) => gpu === position);
      const model = overrides.findLast((override) => override.model !== undefined)?.model ?? entry.model;
      const settings = [entry, ...overrides];
      gpus.push(settings.reduce<SimulatedGpu>(applySettings, createGpu(name, position, model)));
      if (copy === 0) checkFigures(gpus[position], entry, ['gpus', at], problems);
    }
  }
  if (gpus.length > 64) problems.push({ path: ['gpus'], text: `${gpus.length} GPUs; allowed: at most 64` });
  for (const [at, override] of (input.overrides ?? []).entries())
    checkFigures(gpus[override.gpu], override, ['overrides', at], problems);
  return gpus;
}

/** What only one GPU can have must not stand beside a count. */
function findSharedIdentity(entry: GpuEntry, at: number): ScenarioProblem[] {
  const { count = 1 } = entry;
  if (count === 1) return [];
  return (['uuid', 'minor', 'pciBusId'] as const)
    .filter((key) => (entry[key] ?? null) !== null)
    .map((key) => ({
      path: ['gpus', at, key],
      text: `${showValue(entry[key])}: one value cannot serve count ${count}; use "overrides"`,
    }));
}

function applySettings(gpu: SimulatedGpu, setting: Omit<GpuOverride, 'gpu' | 'model'>): SimulatedGpu {
  const { uuid = gpu.uuid, state = gpu.state } = setting;
  return { ...applyFigures(gpu, setting), uuid, state };
}

function checkFigures(
  gpu: SimulatedGpu | undefined,
  given: GpuFigures,
  path: readonly PropertyKey[],
  problems: ScenarioProblem[],
): void {
  if (gpu === undefined) return;
  const { memoryTotalMiB: total, memoryReservedMiB: reserved, memoryUsedMiB: used } = gpu;
  if (total !== null && (reserved ?? 0) + (used ?? 0) > total)
    problems.push({
      path,
      text: `reserved ${reserved ?? 0} + used ${used ?? 0} MiB are more than the total ${total} MiB`,
    });
  checkMig(applyFigures({ ...gpu, mig: 'off' }, given), given, path, problems);
}

/** @param gpu as the figures have left it */
function checkMig(
  gpu: SimulatedGpu,
  given: GpuFigures,
  path: readonly PropertyKey[],
  problems: ScenarioProblem[],
): void {
  const key = given.mig === undefined ? 'migPending' : 'mig';
  const misfit = given[key] === undefined ? null : describeMigMisfit(gpu);
  if (misfit !== null) problems.push({ path: [...path, key], text: `${showValue(given[key])}: ${misfit}` });
}

function checkReferences(input: CheckedScenario, count: number, problems: ScenarioProblem[]): void {
  const check = (gpu: number | undefined, ...path: readonly PropertyKey[]): void => {
    if (gpu === undefined || gpu < count) return;
    const allowed = count === 0 ? 'there is no GPU' : `allowed: 0 to ${count - 1}`;
    problems.push({ path, text: `${gpu} is not allowed; ${allowed}` });
  };
  for (const [at, { gpu }] of (input.overrides ?? []).entries()) check(gpu, 'overrides', at, 'gpu');
  for (const [at, event] of (input.timeline ?? []).entries())
    check('gpu' in event ? (event.gpu ?? undefined) : undefined, 'timeline', at, 'gpu');
  for (const [at, { between }] of (input.links ?? []).entries()) {
    for (const [end, gpu] of between.entries()) check(gpu, 'links', at, 'between', end);
    if (between[0] === between[1])
      problems.push({
        path: ['links', at, 'between'],
        text: `${showValue(between)}: a GPU has no link to itself`,
      });
  }
}

function checkDuplicates(gpus: readonly SimulatedGpu[], problems: ScenarioProblem[]): void {
  for (const [position, gpu] of gpus.entries()) {
    const others = gpus.slice(0, position);
    const twin = others.findIndex(({ uuid }) => uuid === gpu.uuid);
    if (twin >= 0)
      problems.push({ path: ['gpus'], text: `GPU ${twin} and GPU ${position} have the UUID ${gpu.uuid}` });
    if (gpu.pciBusId === null || gpu.state === 'absent') continue;
    const place = others.findIndex(({ pciBusId, state }) => pciBusId === gpu.pciBusId && state !== 'absent');
    if (place >= 0)
      problems.push({
        path: ['gpus'],
        text: `GPU ${place} and GPU ${position} have the pciBusId ${gpu.pciBusId}`,
      });
  }
}

/** MIG instances come and go in the order of the times, so each event is looked at where the ones before it have led. */
function checkTimelineMig(
  input: CheckedScenario,
  gpus: readonly SimulatedGpu[],
  problems: ScenarioProblem[],
): void {
  const now = [...gpus];
  const events = [...(input.timeline ?? []).entries()];
  for (const [at, event] of events.toSorted(([, left], [, right]) => left.at - right.at)) {
    const gpu = isGpuEvent(event) ? now[event.gpu] : undefined;
    if (!isGpuEvent(event) || gpu === undefined) continue;
    const changed = changeGpu(gpu, event);
    if (event.do === 'change') checkMig(changed, event, ['timeline', at], problems);
    const problem = event.do === 'mig' ? applyMigChange(gpu, event).problem : null;
    if (problem !== null) problems.push({ path: ['timeline', at], text: problem });
    now[event.gpu] = changed;
  }
}
