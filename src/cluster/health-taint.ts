import { type GpuHealth, isOut } from './gpu-health.ts';

/** A taint of a node, as far as it is read; what else it has is kept. */
export interface Taint {
  readonly key: string;
  readonly effect: string;
  readonly value?: string;
}

const own: Taint = { key: 'slicewise.io/gpu-unhealthy', effect: 'NoSchedule' };

/** Whether the node is to be tainted: when it has GPUs and none of them is of use. `null`: leave it as it is, because no GPU is known. */
export function wantsTaint(gpus: readonly GpuHealth[]): boolean | null {
  return gpus.length === 0 ? null : gpus.every(isOut);
}

/** The node's taints with ours or without it; `null` when they are so already. Those of others stay, and in their order. */
export function changeTaints(taints: readonly Taint[], isTainted: boolean): readonly Taint[] | null {
  const isOwn = ({ key, effect }: Taint): boolean => key === own.key && effect === own.effect;
  if (taints.some(isOwn) === isTainted) return null;
  return isTainted ? [...taints, own] : taints.filter((taint) => !isOwn(taint));
}
