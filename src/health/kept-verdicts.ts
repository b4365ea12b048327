import { isWorthKeeping } from './next-verdicts.ts';
import { isCondemned, isLatched, isOverByItself, severityOf, withFindings } from './verdict.ts';
import type { Finding, GpuVerdict, MigScope, Verdicts } from './verdict.ts';

/** What has to be known of GPUs after a restart of the agent: what is held against them, not what the driver will show again. */
export function toKeep({ gpus }: Verdicts, now: number): readonly GpuVerdict[] {
  return [...gpus.values()]
    .filter((gpu) => isWorthKeeping(gpu, now))
    .map((gpu) =>
      withFindings(
        gpu,
        {
          findings: gpu.findings.filter((finding) => isLatched(finding) && finding.effect !== 'noted'),
          unmonitored: null,
        },
        gpu.since,
      ),
    )
    .toSorted((one, other) => (one.gpu < other.gpu ? -1 : 1));
}

/** The same without what changes while a fault goes on: when it was told last, and how often. */
export function withoutCounts(gpus: readonly GpuVerdict[]): readonly GpuVerdict[] {
  return gpus.map((gpu) => ({
    ...gpu,
    findings: gpu.findings.map((finding) => ({ ...finding, lastAt: finding.firstAt, count: 1 })),
  }));
}

/**
 * True when a restart of the agent with what was written before would give out what must not be: a GPU or a MIG instance that was not out, or that would
 * come back sooner. What only adds to what keeps it out already is none, so that no storm brings about many of these.
 */
export function isGraver({ gpus }: Verdicts, written: readonly GpuVerdict[]): boolean {
  const before = new Map(written.map((gpu) => [gpu.gpu, gpu]));
  return [...gpus.values()].some((gpu) => {
    const known = before.get(gpu.gpu);
    if (known === gpu || !isCondemned(gpu)) return false;
    if (known === undefined || (known.proof !== null && gpu.proof === null)) return true;
    return gpu.findings.filter(keepsOut).some((finding) => !isCovered(finding, known.findings));
  });
}

/** Something that lasts as long, and costs as much or more, is known of the same instance or of the whole GPU. */
function isCovered(finding: Finding, known: readonly Finding[]): boolean {
  return known
    .filter((other) => keepsOut(other) && (!isOverByItself(other) || other.key === finding.key))
    .some((other) => includes(other.scope, finding.scope) && severityOf(other) <= severityOf(finding));
}

function includes(one: MigScope | null, other: MigScope | null): boolean {
  if (one === null) return true;
  if (one.gpuInstanceId !== other?.gpuInstanceId) return false;
  return one.computeInstanceId === null || one.computeInstanceId === other.computeInstanceId;
}

function keepsOut(finding: Finding): boolean {
  return finding.effect === 'unhealthy' && isLatched(finding);
}
