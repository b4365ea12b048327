import type { RecoveryAction } from '../inventory/gpu-signs.ts';
import type { XidClass } from './xid.ts';

/**
 * How a GPU is. `degraded`: it works, and somebody has to look after it; `unhealthy`: nothing new is given out on it, or on the MIG
 * instances that the findings name; `unmonitored`: nobody would hear of a fault, which is no fault.
 */
export const healthStates = ['healthy', 'degraded', 'unmonitored', 'unhealthy'] as const;
export type HealthState = (typeof healthStates)[number];

/** What was found out about a GPU. */
export type FindingKind =
  | 'xid'
  | 'uncorrectable-ecc'
  | 'unavailable'
  | 'recovery-action'
  | 'row-remap-failed'
  | 'sram-threshold'
  | 'flapping'
  | 'lost'
  | 'row-remap-pending'
  | 'thermal'
  | 'power-brake'
  | 'nvlink-down';

/** A fact about a GPU with its evidence. Times are wall time, milliseconds since 1970. */
export interface Finding {
  /** Tells it from the GPU's other findings, and stays the same while it is seen again: `xid-79`, `recovery-action-reset`. */
  readonly key: string;
  readonly kind: FindingKind;
  /** `null` for everything but an XID, as the next. */
  readonly xid: number | null;
  readonly xidClass: XidClass | null;
  /** The MIG instance that it is about; `null`: the whole GPU. */
  readonly scope: MigScope | null;
  /** `noted`: the GPU has nothing, for example because a program failed. */
  readonly effect: 'unhealthy' | 'degraded' | 'noted';
  /** What it is, for a person, without a full stop. */
  readonly what: string;
  /** What an admin is to do, one sentence. */
  readonly remedy: string;
  readonly firstAt: number;
  readonly lastAt: number;
  /** How often it was told; 1 for what lasts. */
  readonly count: number;
}

/** As the driver numbers them; `computeInstanceId` `null`: all of the GPU instance. */
export interface MigScope {
  readonly gpuInstanceId: number;
  readonly computeInstanceId: number | null;
}

/** What is held against one GPU, and what is known for deciding when it may come back. */
export interface GpuVerdict {
  /** `GPU-…`. */
  readonly gpu: string;
  readonly state: HealthState;
  /** Since when it is in this state: wall time, milliseconds since 1970. */
  readonly since: number;
  /** Worst first. At most `maxFindings`. */
  readonly findings: readonly Finding[];
  /** Why a fault would not be told, for a person; `null` when it would. */
  readonly unmonitored: string | null;
  /** That the GPU was reset or the node rebooted after the last fault, while the driver has yet to say that nothing is left to be done. */
  readonly proof: 'reboot' | 'reset' | null;
  /** What the driver wanted done when it last said so in this boot; `null`: it never did. */
  readonly action: RecoveryAction | null;
  /** Whether it answered when it was asked last; `null`: it was not asked yet. */
  readonly answers: boolean | null;
  /** When it was last taken out, oldest first. At most `flapCondemnations`. */
  readonly condemnedAt: readonly number[];
  /** Keys of findings that an admin lives with, as long as the driver shows them. */
  readonly tolerated: readonly string[];
}

/** What is held against the GPUs of a node. */
export interface Verdicts {
  /** The boot that the verdicts were last looked at in; `null` where that is not known. */
  readonly bootId: string | null;
  /** By UUID. */
  readonly gpus: ReadonlyMap<string, GpuVerdict>;
}

/** Nothing is known of any GPU. */
export const noVerdicts: Verdicts = { bootId: null, gpus: new Map() };

/** So much is kept of one GPU, whatever happens to it. */
export const maxFindings = 24;
/** A GPU that is taken out as often within `flapWithinMs` stays out until an admin says otherwise. */
export const flapCondemnations = 3;
export const flapWithinMs = 3_600_000;

/** A GPU of which nothing is known. */
export function emptyVerdict(gpu: string, now: number): GpuVerdict {
  return {
    gpu,
    state: 'healthy',
    since: now,
    findings: [],
    unmonitored: null,
    proof: null,
    action: null,
    answers: null,
    condemnedAt: [],
    tolerated: [],
  };
}

/** True for what stays until it is proven to be over; the rest follows what the driver shows. */
export function isLatched({ kind }: Pick<Finding, 'kind'>): boolean {
  return latched[kind];
}

const latched = {
  xid: true,
  unavailable: true,
  'recovery-action': true,
  'row-remap-failed': true,
  'sram-threshold': true,
  flapping: true,
  'uncorrectable-ecc': false,
  lost: false,
  'row-remap-pending': false,
  thermal: false,
  'power-brake': false,
  'nvlink-down': false,
} as const satisfies Readonly<Record<FindingKind, boolean>>;

/** Such a wish of the driver's is met when programs end: it is no sign of a reset that the driver wants it no more. */
const metWithoutReset = 'drain-p2p' satisfies RecoveryAction;

/** True for the finding of such a wish. */
export function isOverByItself({ key }: Pick<Finding, 'key'>): boolean {
  return key === `recovery-action-${metWithoutReset}`;
}

/** Whether the GPU was reset when the driver wants nothing more after it wanted this. */
export function isOverOnlyByReset(action: RecoveryAction | null): boolean {
  return action !== null && action !== 'none' && action !== metWithoutReset;
}

/** True when something that lasts keeps the GPU out, or a part of it. */
export function isCondemned({ findings }: Pick<GpuVerdict, 'findings'>): boolean {
  return findings.some((finding) => finding.effect === 'unhealthy' && isLatched(finding));
}

/** The same GPU with other findings, in the state that they and its monitoring make; the same object where nothing has changed. */
export function withFindings(
  before: GpuVerdict,
  changes: Partial<Omit<GpuVerdict, 'gpu' | 'state' | 'since'>>,
  now: number,
): GpuVerdict {
  const next = { ...before, ...changes };
  const findings = next.findings.toSorted((one, other) => rankOf(one) - rankOf(other));
  const state = stateOf(next);
  return { ...next, findings, state, since: state === before.state ? before.since : now };
}

function stateOf({ findings, unmonitored }: GpuVerdict): HealthState {
  if (findings.some(({ effect }) => effect === 'unhealthy')) return 'unhealthy';
  if (findings.some(({ effect }) => effect === 'degraded')) return 'degraded';
  return unmonitored === null ? 'healthy' : 'unmonitored';
}

/** The order of telling: what keeps most out, and costs most to mend, first. */
function rankOf(finding: Finding): number {
  const byEffect = ['unhealthy', 'degraded', 'noted'].indexOf(finding.effect) * 100;
  return byEffect + (finding.scope === null ? 0 : 10) + severityOf(finding);
}

/** What it costs to mend; less for what costs more. */
export function severityOf({ kind, xidClass }: Pick<Finding, 'kind' | 'xidClass'>): number {
  const byCost = xidClass === 'reboot' ? 1 : xidClass === 'support' ? 2 : 3;
  return kind === 'flapping' ? 0 : kind === 'lost' ? 5 : byCost;
}
