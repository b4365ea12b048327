/** How one GPU is, as the cluster is told of it. */
export interface GpuHealth {
  /** `GPU-…`. */
  readonly uuid: string;
  /** `null` for one that the driver does not name at the moment. */
  readonly index: number | null;
  /** Why it is unhealthy, worst first; empty when it is not. */
  readonly faults: readonly GpuFault[];
  /** What else is to be told of it, though it is given out as before. */
  readonly notes: readonly GpuNote[];
}

/** Something that makes a GPU unhealthy. */
export interface GpuFault {
  /** Its class, one word in upper camel case, for programs. */
  readonly reason: string;
  /** Orders classes: 0 is the worst. */
  readonly rank: number;
  /** What it is, for a person, without a full stop. */
  readonly what: string;
  /** What an admin is to do, one sentence. */
  readonly remedy: string;
  /** False for a fault of one MIG instance, where the rest of the GPU is given out. */
  readonly isOfWholeGpu: boolean;
}

/** Something that costs the GPU nothing. */
export interface GpuNote {
  /** Tells it from others of the same GPU. */
  readonly key: string;
  /** `application-error`: an XID that a program brings about; `xid`: another one; `degraded`: somebody has to look after the GPU. */
  readonly kind: 'application-error' | 'xid' | 'degraded';
  readonly what: string;
  readonly remedy: string;
  /** How often it was told. */
  readonly count: number;
}

/** A GPU as a person finds it. */
export function nameGpu({ uuid, index }: Pick<GpuHealth, 'uuid' | 'index'>): string {
  return index === null ? `GPU ${uuid}` : `GPU ${index} (${uuid})`;
}

/** The worst of a GPU with what to do about it; empty when there is nothing. */
export function tellFault({ faults }: Pick<GpuHealth, 'faults'>): string {
  const [worst] = faults;
  if (worst === undefined) return '';
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  const where = worst.isOfWholeGpu ? '' : 'of a MIG instance: ';
  return `${where}${worst.what}${more}. ${worst.remedy}`;
}

/** True when nothing new is given out on a whole GPU. */
export function isOut({ faults }: Pick<GpuHealth, 'faults'>): boolean {
  return faults.some(({ isOfWholeGpu }) => isOfWholeGpu);
}
