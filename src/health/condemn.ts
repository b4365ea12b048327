import { flapRemedy } from './remedies.ts';
import {
  flapCondemnations,
  flapWithinMs,
  isCondemned,
  isLatched,
  maxFindings,
  type Finding,
  type GpuVerdict,
} from './verdict.ts';

/**
 * Adds findings that were not there, or that count for more than before. Whatever condemns the GPU makes an earlier proof void; a GPU that was not
 * condemned before is so once more, and stays out when that happens too often.
 */
export function addFindings(
  before: GpuVerdict,
  added: readonly Finding[],
  now: number,
  wasCondemned: boolean = isCondemned(before),
): Pick<GpuVerdict, 'findings' | 'proof' | 'condemnedAt'> {
  const keys = new Set(added.map(({ key }) => key));
  const findings = cap([...before.findings.filter(({ key }) => !keys.has(key)), ...added]);
  const worst = added.find((finding) => finding.effect === 'unhealthy' && isLatched(finding));
  if (worst === undefined) return { ...before, findings };
  if (wasCondemned) return { findings, proof: null, condemnedAt: before.condemnedAt };
  // A clock that was set back makes a time seem to come; it counts, because it cannot be long ago either.
  const recent = before.condemnedAt.filter((at) => Math.abs(now - at) < flapWithinMs);
  const condemnedAt = [...recent, now].slice(-flapCondemnations);
  const flaps = condemnedAt.length >= flapCondemnations;
  return {
    findings: flaps ? cap([...findings, flapping(before.gpu, worst, now)]) : findings,
    proof: null,
    condemnedAt,
  };
}

function flapping(gpu: string, { scope }: Finding, now: number): Finding {
  return {
    key: 'flapping',
    kind: 'flapping',
    xid: null,
    xidClass: null,
    scope,
    effect: 'unhealthy',
    what: `it was taken out ${flapCondemnations} times within an hour`,
    remedy: flapRemedy(gpu),
    firstAt: now,
    lastAt: now,
    count: 1,
  };
}

/** What only notes goes first, then the oldest XID; what takes its place then counts for the whole GPU, as one that went may have. */
function cap(findings: readonly Finding[]): readonly Finding[] {
  if (findings.length <= maxFindings) return findings;
  const oldest = (of: readonly Finding[]): Finding | undefined =>
    of.toSorted((one, other) => one.lastAt - other.lastAt)[0];
  const older = findings.slice(0, -1);
  const gone =
    oldest(older.filter(({ effect }) => effect === 'noted')) ??
    oldest(older.filter(({ kind }) => kind === 'xid'));
  if (gone === undefined) return findings.slice(0, maxFindings);
  const left = findings.filter((finding) => finding !== gone);
  if (gone.effect === 'noted') return cap(left);
  return cap(
    left.map((finding, at) =>
      at === left.length - 1 && finding.effect === 'unhealthy' ? { ...finding, scope: null } : finding,
    ),
  );
}
