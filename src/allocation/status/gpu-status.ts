import type { Gpu } from '../../inventory/gpu.ts';
import type { GpuUse } from '../holdings/gpu-use.ts';
import type { MemoryOffer, MemoryRoom } from '../memory/memory-view.ts';
import { describeHolder, type HolderStatus } from './holder-status.ts';
import type { OfferedDevice, UnhealthyReason } from './offered-device.ts';

/** One GPU: what it has, and who holds it. */
export interface GpuStatus {
  readonly index: number;
  readonly uuid: string;
  readonly product: string;
  readonly totalMiB: number | null;
  /** Memory that is never offered: what the driver keeps for itself, or what the config reserves if that is more. */
  readonly reservedMiB: number | null;
  /** `null`: not offered by memory. */
  readonly memory: GpuMemoryStatus | null;
  /** Why the GPU is not offered by memory although the node is; `null` where it is, or need not be. */
  readonly withoutMemory: string | null;
  readonly migInstances: readonly { readonly uuid: string; readonly profile: string }[];
  /** How it is; `null` before it was asked. */
  readonly health: GpuHealthStatus | null;
  /** Why the GPU cannot be used, for a person; `null` when it can. */
  readonly fault: string | null;
  /** Resources other than memory that it is offered as; empty: none. */
  readonly offeredAs: readonly string[];
  /** Why its devices, memory apart, are not all to be had; each reason once. */
  readonly withheld: readonly UnhealthyReason[];
  /** `null`: not tracked. */
  readonly holders: readonly HolderStatus[] | null;
}

/** What is held against a GPU. Times are ISO 8601. */
export interface GpuHealthStatus {
  /**
   * `degraded`: it is given out, and somebody has to look after it; `unmonitored`: nobody would hear of a fault; `unhealthy`: it is not given
   * out, or some of its MIG instances are not.
   */
  readonly state: 'healthy' | 'degraded' | 'unmonitored' | 'unhealthy';
  readonly since: string;
  /** Why a fault would not be told; `null` when it would. */
  readonly unmonitored: string | null;
  /** Worst first. */
  readonly findings: readonly GpuFindingStatus[];
}

/** One thing that was found out about a GPU. */
export interface GpuFindingStatus {
  /** What an acknowledgement names. */
  readonly key: string;
  /** `noted`: the GPU has nothing. */
  readonly effect: 'unhealthy' | 'degraded' | 'noted';
  /** Whether an admin may say that the GPU is to be used all the same. */
  readonly canBeAcknowledged: boolean;
  readonly what: string;
  /** What an admin is to do, one sentence. */
  readonly remedy: string;
  readonly xid: number | null;
  /** By NVIDIA's catalogue; `null` for everything but an XID. */
  readonly class: string | null;
  /** The GPU instance, and the compute instance behind a slash where it is about one; `null`: the whole GPU. */
  readonly migInstance: string | null;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly count: number;
}

/** The memory units of one GPU. */
export interface GpuMemoryStatus {
  readonly units: number;
  /** `null` where it is not tracked, as the next. */
  readonly heldUnits: number | null;
  /** Largest request that fits; 0 while the GPU is held whole or cannot be used. */
  readonly freeUnits: number | null;
}

/** What is known of one GPU beside the driver's reading. */
export interface GpuFacts {
  readonly offer: Pick<MemoryOffer, 'plan' | 'node' | 'faults'>;
  readonly room: MemoryRoom | null;
  /** What is booked on it; `null`: nothing. */
  readonly use: GpuUse | null;
  readonly isTracked: boolean;
  readonly health: GpuHealthStatus | null;
  /** Its devices, by resource. */
  readonly devices: ReadonlyMap<string, readonly OfferedDevice[]>;
}

/** A GPU as a person is told of it. */
export function describeGpu(gpu: Gpu, facts: GpuFacts): GpuStatus {
  const { offer, room, devices } = facts;
  const { uuid, index, name, migInstances, error } = gpu;
  const reasons = [...devices.values()]
    .flat()
    .flatMap(({ unhealthy }) => (unhealthy === null ? [] : [unhealthy]));
  return {
    index,
    uuid,
    product: name,
    totalMiB: room?.gpu.totalMiB ?? gpu.memoryTotalMiB,
    reservedMiB: room === null ? gpu.memoryReservedMiB : reservedOf(room, offer.plan.unitMiB),
    memory: room === null ? null : describeRoom(room, facts),
    withoutMemory: offer.plan.leftOut.find((each) => each.uuid === uuid)?.reason ?? null,
    migInstances: migInstances.map((instance) => ({ uuid: instance.uuid, profile: instance.profile })),
    health: facts.health,
    fault: offer.faults.get(uuid) ?? error,
    offeredAs: [...devices.keys()],
    withheld: [...new Set(reasons)],
    holders: facts.isTracked ? describeHolders(uuid, facts) : null,
  };
}

function reservedOf({ gpu: { totalMiB, restMiB, units } }: MemoryRoom, unitMiB: number): number {
  return totalMiB - restMiB - units * unitMiB;
}

function describeRoom({ gpu, hole }: MemoryRoom, { use, isTracked }: GpuFacts): GpuMemoryStatus {
  const { units } = gpu;
  return isTracked
    ? { units, heldUnits: use?.units ?? 0, freeUnits: hole }
    : { units, heldUnits: null, freeUnits: null };
}

function describeHolders(uuid: string, { use, offer }: GpuFacts): readonly HolderStatus[] {
  return [...(use?.memory ?? []), ...(use?.whole ?? [])]
    .toSorted((one, other) => one.sequence - other.sequence)
    .map((entry) => describeHolder(entry, uuid, offer.node));
}
