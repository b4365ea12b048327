import type { GpuFault, GpuHealth, GpuNote } from '../../cluster/gpu-health.ts';
import { isOfInstances } from '../../health/verdict-faults.ts';
import type { Finding, GpuVerdict, MigScope, Verdicts } from '../../health/verdict.ts';
import { signTexts } from '../../health/remedies.ts';
import type { MigStrategy } from '../../resources/resource-settings.ts';
import type { InventoryState } from '../driver/inventory-loop.ts';

/** What is known of a node beside what is held against its GPUs. */
export interface KnownOfNode extends Pick<InventoryState, 'reading' | 'noDriver' | 'failure'> {
  /** With `none` a GPU that is cut into MIG instances is given out as a whole. */
  readonly migStrategy: MigStrategy;
}

/**
 * How the GPUs of a node are, as the cluster is told: what is held against them, and what else keeps one from being used. In the driver's
 * order, then those that are sick and that it does not name.
 */
export function gpuHealthOf(
  { gpus }: Verdicts,
  { reading, noDriver, failure, migStrategy }: KnownOfNode,
): readonly GpuHealth[] {
  const driver = noDriver ? driverFault(failure) : null;
  const named = (reading?.snapshot.gpus ?? []).map((gpu) => {
    const { uuid, index, error } = gpu;
    const isOfPart = (scope: MigScope | null): boolean => migStrategy !== 'none' && isOfInstances(gpu, scope);
    const own = describe(uuid, index, gpus.get(uuid), isOfPart);
    // What the driver says of a GPU that cannot be read is held against it a moment later, where it is at all.
    const fault = driver ?? (error === null ? null : lostFault(error));
    return fault === null || own.faults.length > 0 ? own : { ...own, faults: [fault] };
  });
  const uuids = new Set(named.map(({ uuid }) => uuid));
  const others = [...gpus.values()]
    .filter(({ gpu, state }) => !uuids.has(gpu) && state === 'unhealthy')
    .map((verdict) => describe(verdict.gpu, null, verdict, () => false));
  return [...named, ...others];
}

function driverFault(failure: string | null): GpuFault {
  return faultOf('DriverMissing', {
    what: `the NVIDIA driver is gone from this node: ${failure ?? 'it does not answer'}`,
    remedy: 'Install or load it again.',
  });
}

function lostFault(error: string): GpuFault {
  return faultOf('GPULost', { what: error, remedy: signTexts.lost.remedy });
}

function faultOf(reason: FaultReason, words: Pick<GpuFault, 'what' | 'remedy'>): GpuFault {
  return { reason, rank: faultReasons.indexOf(reason), isOfWholeGpu: true, ...words };
}

function describe(
  uuid: string,
  index: number | null,
  verdict: GpuVerdict | undefined,
  isOfPart: (scope: MigScope | null) => boolean,
): GpuHealth {
  const findings = verdict?.findings ?? [];
  return {
    uuid,
    index,
    faults: findings
      .filter(({ effect }) => effect === 'unhealthy')
      .map((finding) => ({ ...toFault(finding), isOfWholeGpu: !isOfPart(finding.scope) })),
    notes: findings.flatMap(toNote),
  };
}

/** Classes of faults, the worst first: what needs hands, what costs the node a reboot, what costs the GPU a reset, the rest. */
export const faultReasons = [
  'RowRemapFailed',
  'SRAMThresholdExceeded',
  'VendorSupportRequired',
  'GPULost',
  'DriverMissing',
  'NodeRebootRequired',
  'GPUUnavailable',
  'GPUResetRequired',
  'RecoveryActionRequired',
  'GPUFlapping',
  'XIDError',
] as const;
type FaultReason = (typeof faultReasons)[number];

function toFault(finding: Finding): GpuFault {
  const { what, remedy } = finding;
  return faultOf(reasonOf(finding), { what, remedy });
}

function reasonOf({ kind, key, xidClass }: Finding): FaultReason {
  if (kind === 'recovery-action')
    return byAction[key.replace(/^recovery-action-/, '')] ?? 'RecoveryActionRequired';
  if (kind === 'xid' && xidClass !== null) return byClass[xidClass] ?? 'XIDError';
  return byKind[kind];
}

const byKind: Readonly<Record<Finding['kind'], FaultReason>> = {
  lost: 'GPULost',
  unavailable: 'GPUUnavailable',
  'row-remap-failed': 'RowRemapFailed',
  'sram-threshold': 'SRAMThresholdExceeded',
  flapping: 'GPUFlapping',
  'recovery-action': 'RecoveryActionRequired',
  xid: 'XIDError',
  // These take no GPU out.
  'uncorrectable-ecc': 'XIDError',
  'row-remap-pending': 'XIDError',
  thermal: 'XIDError',
  'power-brake': 'XIDError',
  'nvlink-down': 'XIDError',
};

const byAction: Readonly<Partial<Record<string, FaultReason>>> = {
  reset: 'GPUResetRequired',
  'drain-and-reset': 'GPUResetRequired',
  reboot: 'NodeRebootRequired',
};

/** A workflow of NVIDIA's that takes a GPU out ends in a reset. */
const byClass: Readonly<Partial<Record<NonNullable<Finding['xidClass']>, FaultReason>>> = {
  reset: 'GPUResetRequired',
  workflow: 'GPUResetRequired',
  reboot: 'NodeRebootRequired',
  support: 'VendorSupportRequired',
};

/** Of what costs the GPU nothing: what programs bring about, and what nobody can tell the meaning of. The rest only counts in metrics. */
function toNote({ key, effect, xid, xidClass, what, remedy, count }: Finding): readonly GpuNote[] {
  if (effect === 'degraded') return [{ key, kind: 'degraded', what, remedy, count }];
  if (effect !== 'noted' || xid === null) return [];
  if (xidClass === 'restart-app' || applicationXids.includes(xid))
    return [{ key, kind: 'application-error', what, remedy, count }];
  return xidClass === 'ignore' ? [] : [{ key, kind: 'xid', what, remedy, count }];
}

/** A channel that was stopped or taken away for one program, which the catalogue has under other headings. */
const applicationXids: readonly number[] = [43, 45];
