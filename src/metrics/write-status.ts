import type { HolderStatus } from '../allocation/status/holder-status.ts';
import type { GpuStatus } from '../allocation/status/gpu-status.ts';
import type { NodeStatus } from '../allocation/status/node-status.ts';
import { definitions } from './definitions.ts';
import type { Instruments } from './instruments.ts';

const bytesPerMiB = 2 ** 20;

/**
 * Writes what is held, whole: a series of what is gone goes with it. An agent that does not serve has none, so that a sum over all agents
 * of a node counts everything once.
 */
export function writeStatus(instruments: Instruments, status: NodeStatus): void {
  forget(instruments);
  writeHealth(instruments, status);
  if (status.agent.role !== 'serving') return;
  writeWithheld(instruments, status);
  writeMemory(instruments, status);
  for (const gpu of status.gpus) writeGpu(instruments, gpu);
}

function forget(instruments: Instruments): void {
  const { memoryUnitBytes, memoryLargestHole, memoryPromised } = instruments;
  for (const gauge of [memoryUnitBytes, memoryLargestHole, memoryPromised]) gauge.remove();
  instruments.devicesWithheld.reset();
  instruments.gpuUnhealthySince.reset();
  instruments.memoryUnits.reset();
  instruments.memoryUnitsHeld.reset();
  instruments.memoryUnitsFree.reset();
  instruments.memoryPaused.reset();
  instruments.containerGpu.reset();
  instruments.containerMemory.reset();
}

function writeWithheld({ devicesWithheld }: Instruments, { resources }: NodeStatus): void {
  for (const { resource, withheld } of resources)
    for (const reason of definitions.devicesWithheld.labels.reason)
      devicesWithheld.set({ resource, reason }, withheld[reason] ?? 0);
}

/** Standing by or not, each agent knows how the GPUs are. */
function writeHealth({ gpuVerdicts, gpuUnhealthySince }: Instruments, { gpus, missing }: NodeStatus): void {
  const all = [...gpus, ...missing];
  for (const state of definitions.gpuVerdicts.labels.state)
    gpuVerdicts.set({ state }, all.filter(({ health }) => health?.state === state).length);
  for (const { uuid, health } of all)
    if (health?.state === 'unhealthy') gpuUnhealthySince.set({ uuid }, Date.parse(health.since) / 1000);
}

function writeMemory(instruments: Instruments, { memory }: NodeStatus): void {
  if (memory === null) return;
  instruments.memoryUnitBytes.set(memory.unitMiB * bytesPerMiB);
  setIfKnown(instruments.memoryLargestHole, memory.largestHole);
  setIfKnown(instruments.memoryPromised, memory.promisedUnits);
  for (const reason of definitions.memoryPaused.labels.reason)
    instruments.memoryPaused.set({ reason }, Number(memory.paused === reason));
}

function writeGpu(instruments: Instruments, { uuid, memory, holders }: GpuStatus): void {
  if (memory !== null) {
    instruments.memoryUnits.set({ uuid }, memory.units);
    if (memory.heldUnits !== null) instruments.memoryUnitsHeld.set({ uuid }, memory.heldUnits);
    if (memory.freeUnits !== null) instruments.memoryUnitsFree.set({ uuid }, memory.freeUnits);
  }
  for (const holder of holders ?? []) writeHolder(instruments, uuid, holder);
}

/** A container that holds several parts of a GPU by one resource has their sum. */
function writeHolder(
  { containerGpu, containerMemory }: Instruments,
  uuid: string,
  holder: HolderStatus,
): void {
  const { namespace, pod, container, resource, memoryMiB } = holder;
  const labels = {
    namespace: namespace ?? '',
    pod: pod ?? '',
    container: container ?? '',
    uuid,
    resource,
  };
  containerGpu.set(labels, 1);
  if (memoryMiB !== null) containerMemory.inc(labels, memoryMiB * bytesPerMiB);
}

function setIfKnown(gauge: Instruments['memoryPromised'], value: number | null): void {
  if (value !== null) gauge.set(value);
}
