import type { MemoryPause } from '../memory/memory-view.ts';
import type { Fit } from '../promise.ts';
import type { GpuHealthStatus, GpuStatus } from './gpu-status.ts';
import type { HolderStatus } from './holder-status.ts';
import type { UnhealthyReason } from './offered-device.ts';

/**
 * What a node offers and who holds it, at one moment. Plain values that go through JSON unharmed; `null` means "not known". It is what
 * `slicewise status --output json` prints.
 */
export interface NodeStatus {
  /** Grows when a field goes or changes its meaning; new ones may come at any time. */
  readonly format: 1;
  readonly agent: AgentStatus;
  readonly inventory: InventoryStatus;
  readonly holdings: HoldingsStatus;
  readonly resources: readonly ResourceStatus[];
  /** `null` where no GPU is offered by memory and nobody holds units. */
  readonly memory: MemoryStatus | null;
  /** In order of index. */
  readonly gpus: readonly GpuStatus[];
  /** GPUs that something is held against and that the driver does not name now, for example because they have fallen off the bus. */
  readonly missing: readonly MissingGpuStatus[];
  /** Who holds something that is on no GPU of this node. */
  readonly elsewhere: readonly HolderStatus[];
}

/** A GPU of which no more is known than what is held against it. */
export interface MissingGpuStatus {
  readonly uuid: string;
  readonly health: GpuHealthStatus;
}

/** The agent that answers. */
export interface AgentStatus {
  readonly version: string;
  /** `standby`: another agent serves the node; `waiting`: nobody has to, or can, be served yet. */
  readonly role: 'serving' | 'standby' | 'waiting';
  /** Why it does not serve; `null` while it does. */
  readonly reason: string | null;
}

/** The GPUs as they were read last. */
export interface InventoryStatus {
  /** Seconds since the reading in force; `null` before the first. */
  readonly ageSeconds: number | null;
  /** The reading is older than it should be. */
  readonly isStale: boolean;
  /** Why the newest attempt failed; `null` when it did not. */
  readonly failure: string | null;
  /** The driver is closed until then, so that GPUs can be reset: ISO 8601; `null`: it is not. */
  readonly driverClosedUntil: string | null;
  /** GPUs that the driver counts and that do not even tell their UUID. */
  readonly unreadable: readonly { readonly index: number; readonly error: string }[];
}

/** How far it is known who holds what. */
export interface HoldingsStatus {
  /**
   * `known`; `starting`: what the kubelet's record said before, not confirmed yet; `unreadable`: as last known, because that record cannot
   * be read; `not-tracked`: the kubelet alone knows.
   */
  readonly state: 'known' | 'starting' | 'unreadable' | 'not-tracked';
  /** For a person; `null` when it is known. */
  readonly reason: string | null;
}

/** A resource as the kubelet sees it. */
export interface ResourceStatus {
  readonly resource: string;
  readonly isConnected: boolean;
  readonly healthy: number;
  readonly unhealthy: number;
  /** Devices that are not Healthy, by the reason. */
  readonly withheld: Readonly<Partial<Record<UnhealthyReason, number>>>;
}

/** GPU memory, all GPUs together. */
export interface MemoryStatus {
  readonly unitMiB: number;
  /** How a container is kept to its amount. `advisory`: it is told the amount, and nothing stops it from taking more. */
  readonly enforcement: 'advisory';
  /** Σ: units of all GPUs. */
  readonly units: number;
  /** Units that are held; `null` where that is not tracked, as the next two. */
  readonly heldUnits: number | null;
  /** G: free units that are shown as allocatable. */
  readonly promisedUnits: number | null;
  /** Free units of the GPU that has most. */
  readonly largestHole: number | null;
  /** The most units that one container may ask for. */
  readonly maxPerContainer: number;
  readonly fit: Fit;
  /** Why nothing new is offered; `null` when it is. */
  readonly paused: MemoryPause | null;
  /** After a refusal at most so many free units are shown for a while; `null` when nothing is held back. */
  readonly heldBackTo: number | null;
}
