import { type GpuHealth, nameGpu, tellFault } from './gpu-health.ts';

/** The node's condition that is ours. */
export const conditionType = 'GPUUnhealthy';

/** What it says. */
export interface HealthCondition {
  readonly status: 'True' | 'False';
  /** One word in upper camel case. */
  readonly reason: string;
  readonly message: string;
}

/** Conditions are read in tables and alerts; with 16 GPUs this names them all. */
export const messageMax = 1024;

/** What the condition is to say; `null`: nothing, because no GPU is known. */
export function describeCondition(gpus: readonly GpuHealth[]): HealthCondition | null {
  if (gpus.length === 0) return null;
  const sick = gpus
    .filter(({ faults }) => faults.length > 0)
    .toSorted((one, other) => rankOf(one) - rankOf(other));
  const reason = sick[0]?.faults[0]?.reason;
  if (reason === undefined) {
    const message = gpus.length === 1 ? 'the GPU is healthy' : `all ${gpus.length} GPUs are healthy`;
    return { status: 'False', reason: 'AllGPUsHealthy', message };
  }
  return { status: 'True', reason, message: describeAll(sick) };
}

/** All in full; else the worst, and the others by name; else as much of that as there is room for. */
function describeAll(sick: readonly GpuHealth[]): string {
  const inFull = sick.map((gpu) => `${nameGpu(gpu)}: ${tellFault(gpu)}`);
  const full = inFull.join(' ');
  if (full.length <= messageMax) return full;
  const also = (names: readonly string[]): string =>
    names.length === 0 ? '' : ` Also unhealthy: ${names.join(', ')}`;
  const others = sick.slice(1);
  const worst = inFull[0] ?? '';
  const short = [
    `${worst}${also(others.map(nameGpu))}`,
    `${worst}${also(others.map(({ index, uuid }) => (index === null ? uuid : String(index))))}`,
  ];
  return short.find(({ length }) => length <= messageMax) ?? cut(short[1] ?? '');
}

function cut(text: string): string {
  return text.length <= messageMax ? text : `${text.slice(0, messageMax - 1)}…`;
}

function rankOf({ faults }: GpuHealth): number {
  return Math.min(...faults.map(({ rank }) => rank));
}
