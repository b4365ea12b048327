import type { GpuSigns } from '../inventory/gpu-signs.ts';
import { addFindings } from './condemn.ts';
import type { Judging } from './facts.ts';
import { recoveryTexts, signTexts } from './remedies.ts';
import {
  isCondemned,
  isLatched,
  isOverByItself,
  isOverOnlyByReset,
  withFindings,
  type Finding,
  type GpuVerdict,
} from './verdict.ts';

/** What has done the GPU nothing is told of for so long. */
const noteForMs = 24 * 3_600_000;

interface JudgingSigns extends Judging {
  /** When it was asked, by wall time; `null`: now. */
  readonly askedAt: number | null;
}

/**
 * A GPU after it was asked how it is. What the driver shows counts while it shows it; what has condemned the GPU goes only when the driver says that
 * nothing is left to be done, or never said anything of that, and it is proven that the GPU was reset or the node rebooted since. What came while
 * the answer was on its way is not in it, and stays.
 */
export function takeSigns(
  before: GpuVerdict,
  signs: GpuSigns,
  { now, rules, askedAt }: JudgingSigns,
): GpuVerdict {
  const shown = describeSigns(signs, rules.signsCount).map((sign) => effectOf(sign, before.tolerated));
  const shownKeys = new Set(shown.map(({ key }) => key));
  const kept = before.findings.filter(
    (finding) => shownKeys.has(finding.key) || staysUnshown(finding, before.tolerated, signs, now),
  );
  const added = shown
    .filter(
      (sign) =>
        !isSame(
          sign,
          kept.find(({ key }) => key === sign.key),
        ),
    )
    .map((sign) => ({ ...sign, firstAt: firstAtOf(sign, before, now), lastAt: now, count: 1 }));
  const proven = { ...before, findings: kept, proof: proofAfter(before, signs) };
  const judged = { ...proven, ...addFindings(proven, added, now, isCondemned(before)) };
  const mayReturn =
    judged.proof !== null &&
    signs.lost === null &&
    (signs.recoveryAction === 'none' || (signs.recoveryAction === null && before.action === null));
  const next = withFindings(
    before,
    {
      findings: mayReturn
        ? judged.findings.filter(
            (each) => shownKeys.has(each.key) || !goesWithProof(each) || cameMeanwhile(each, askedAt, now),
          )
        : judged.findings,
      proof: mayReturn ? null : judged.proof,
      condemnedAt: judged.condemnedAt,
      tolerated: before.tolerated.filter((key) => judged.findings.some((each) => each.key === key)),
      // Of a GPU that does not answer, what it said before is what is known.
      action: signs.recoveryAction ?? before.action,
      // Of one that may not be gone as well: that it is asked again proves nothing.
      answers: signs.lost === null || (signs.isUnsure ? before.answers : false),
      unmonitored: signs.unmonitored,
    },
    now,
  );
  return JSON.stringify(next) === JSON.stringify(before) ? before : next;
}

/** A GPU that answers again, or of which nothing is wanted any more, was reset. A reboot after which something is still wanted has proven nothing. */
function proofAfter(
  { answers, action, proof }: GpuVerdict,
  { lost, recoveryAction }: GpuSigns,
): GpuVerdict['proof'] {
  if (answers === false && lost === null) return 'reset';
  if (recoveryAction === null) return proof;
  if (recoveryAction !== 'none') return null;
  return isOverOnlyByReset(action) ? 'reset' : proof;
}

type Sign = Omit<Finding, 'firstAt' | 'lastAt' | 'count'>;

function effectOf(sign: Sign, tolerated: readonly string[]): Sign {
  return sign.effect === 'unhealthy' && tolerated.includes(sign.key) ? { ...sign, effect: 'degraded' } : sign;
}

function isSame(sign: Sign, known: Finding | undefined): boolean {
  return known !== undefined && sign.effect === known.effect && sign.what === known.what;
}

/** What the driver does not show now and is not over by that. An action gives way to another one. */
function staysUnshown(
  { key, kind, effect, lastAt }: Finding,
  tolerated: readonly string[],
  signs: GpuSigns,
  now: number,
): boolean {
  if (tolerated.includes(key)) return saysNothingOf(kind, signs);
  if (effect === 'noted') return isTold(kind) && now - lastAt < noteForMs;
  if (!isLatched({ kind })) return false;
  if (kind !== 'recovery-action' || signs.recoveryAction === null) return true;
  return signs.recoveryAction === 'none' && !isOverByItself({ key });
}

/** True for what the driver tells once and does not show. */
function isTold(kind: Finding['kind']): boolean {
  return kind === 'xid' || kind === 'unavailable' || kind === 'uncorrectable-ecc';
}

function saysNothingOf(kind: Finding['kind'], signs: GpuSigns): boolean {
  if (kind === 'recovery-action') return signs.recoveryAction === null;
  if (kind === 'row-remap-failed') return signs.rowRemap === null;
  return signs.sramThresholdExceeded === null;
}

/** Not where the node's clock was set back since. */
function cameMeanwhile({ lastAt }: Finding, askedAt: number | null, now: number): boolean {
  return askedAt !== null && lastAt >= askedAt && lastAt <= now;
}

function goesWithProof(finding: Finding): boolean {
  return isLatched(finding) && finding.kind !== 'flapping' && finding.effect === 'unhealthy';
}

function firstAtOf(sign: Sign, { findings }: GpuVerdict, now: number): number {
  return findings.find(({ key }) => key === sign.key)?.firstAt ?? now;
}

/** What a driver shows as findings. With `signsCount` false only a GPU that does not answer is out. */
function describeSigns(signs: GpuSigns, signsCount: boolean): readonly Sign[] {
  const { recoveryAction, rowRemap, sramThresholdExceeded, slowdowns, nvlinksDown, lost } = signs;
  const fault = signsCount ? 'unhealthy' : 'noted';
  const found: Sign[] = [];
  const add = (
    kind: Sign['kind'],
    effect: Sign['effect'],
    texts: Pick<Sign, 'what' | 'remedy'>,
    key = kind as string,
  ) => found.push({ key, kind, xid: null, xidClass: null, scope: null, effect, ...texts });
  if (lost !== null) add('lost', 'unhealthy', { ...signTexts.lost, what: `${signTexts.lost.what}: ${lost}` });
  if (recoveryAction !== null && recoveryAction !== 'none')
    add('recovery-action', fault, recoveryTexts[recoveryAction], `recovery-action-${recoveryAction}`);
  if (rowRemap?.failed === true) add('row-remap-failed', fault, signTexts['row-remap-failed']);
  if (sramThresholdExceeded === true) add('sram-threshold', fault, signTexts['sram-threshold']);
  if (rowRemap?.pending === true) add('row-remap-pending', 'degraded', signTexts['row-remap-pending']);
  for (const slowdown of slowdowns) add(slowdown, 'degraded', signTexts[slowdown]);
  if (nvlinksDown !== null && nvlinksDown > 0) add('nvlink-down', 'degraded', describeLinks(nvlinksDown));
  return found;
}

function describeLinks(down: number): Pick<Sign, 'what' | 'remedy'> {
  return {
    what: `${down} of its NVLinks ${down === 1 ? 'does' : 'do'} not work`,
    remedy:
      'Reset the GPU when its pods have ended; if that does not help, have the NVLink bridges and cables looked at.',
  };
}
