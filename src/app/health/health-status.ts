import type { GpuFindingStatus, GpuHealthStatus } from '../../allocation/status/gpu-status.ts';
import { isLatched, type Finding, type MigScope, type Verdicts } from '../../health/verdict.ts';

/** What is held against GPUs as a status tells it, by UUID. */
export function describeHealth({ gpus }: Pick<Verdicts, 'gpus'>): ReadonlyMap<string, GpuHealthStatus> {
  return new Map(
    [...gpus.values()].map(({ gpu, state, since, unmonitored, findings }) => [
      gpu,
      { state, since: isoTime(since), unmonitored, findings: findings.map(describeFinding) },
    ]),
  );
}

function describeFinding(finding: Finding): GpuFindingStatus {
  const { key, effect, what, remedy, xid, xidClass, scope, firstAt, lastAt, count } = finding;
  return {
    key,
    effect,
    canBeAcknowledged: effect === 'unhealthy' && isLatched(finding),
    what,
    remedy,
    xid,
    class: xidClass,
    migInstance: scope === null ? null : describeScope(scope),
    firstAt: isoTime(firstAt),
    lastAt: isoTime(lastAt),
    count,
  };
}

function describeScope({ gpuInstanceId, computeInstanceId }: MigScope): string {
  return computeInstanceId === null ? String(gpuInstanceId) : `${gpuInstanceId}/${computeInstanceId}`;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
