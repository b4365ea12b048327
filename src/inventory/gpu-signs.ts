/**
 * What a driver says of the condition of its GPUs, as plain values: facts, no verdicts. `null` means "the driver did not
 * say".
 */

/** Where on the node something happened. */
export interface GpuPlace {
  /** `GPU-…`; `null` where the report names a GPU in another way only, or none. */
  readonly gpu: string | null;
  /** As in `Gpu.pciBusId`; `null` where the report does not tell it. */
  readonly pciBusId: string | null;
  /** The MIG instance that it is about; `null` where it is about the GPU, or is not told. */
  readonly gpuInstanceId: number | null;
  readonly computeInstanceId: number | null;
}

/** Something that a driver told unasked. Equal ones in quick succession are one, with their number. */
export type GpuIncident = GpuPlace & {
  /** How often it happened since it was told last; at least 1. */
  readonly count: number;
  readonly source: 'nvml' | 'kernel-log' | 'simulated';
} & (
    | { readonly kind: 'xid'; readonly xid: number }
    /** An error of memory that could not be corrected. */
    | { readonly kind: 'uncorrectable-ecc' }
    /** The driver wants something else done about the GPU than before; the signs say what. */
    | { readonly kind: 'recovery-action-changed' }
    /** The driver has given the GPU up. */
    | { readonly kind: 'unavailable' }
  );

/** What one GPU shows when it is asked how it is. */
export interface GpuSigns {
  readonly uuid: string;
  /** What the driver wants done before the GPU is used again. */
  readonly recoveryAction: RecoveryAction | null;
  /** Replacement of broken rows of memory: one could not be replaced; one is replaced at the next reset. */
  readonly rowRemap: { readonly failed: boolean; readonly pending: boolean } | null;
  /** More errors in on-chip memory than NVIDIA takes back a GPU for. */
  readonly sramThresholdExceeded: boolean | null;
  /** Why it runs slower than it could, of the reasons that somebody has to look after. */
  readonly slowdowns: readonly Slowdown[];
  /** NVLinks that are there and do not work; `null` where it has none or they are not told. */
  readonly nvlinksDown: number | null;
  /** Why the GPU does not answer, for a person; `null` when it does. */
  readonly lost: string | null;
  /** That it does not answer does not mean that it is gone: it is left alone for a while, or fails in another way. False where it answers. */
  readonly isUnsure: boolean;
  /** Why what happens to this GPU would not be told unasked, for a person; `null` when it would. */
  readonly unmonitored: string | null;
}

/** `other`: one that this version does not know. `nvmlGpuRecoveryAction_t` of NVIDIA's header, field 230. */
export const recoveryActions = ['none', 'reset', 'reboot', 'drain-p2p', 'drain-and-reset', 'other'] as const;
export type RecoveryAction = (typeof recoveryActions)[number];

export const slowdowns = ['thermal', 'power-brake'] as const;
export type Slowdown = (typeof slowdowns)[number];

/** The signs of a GPU of which nothing is known but its name. */
export function unknownSigns(uuid: string): GpuSigns {
  return {
    uuid,
    recoveryAction: null,
    rowRemap: null,
    sramThresholdExceeded: null,
    slowdowns: [],
    nvlinksDown: null,
    lost: null,
    isUnsure: false,
    unmonitored: null,
  };
}
