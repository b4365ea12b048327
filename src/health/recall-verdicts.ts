import {
  flapCondemnations,
  isCondemned,
  isLatched,
  isOverOnlyByReset,
  withFindings,
  type Finding,
  type GpuVerdict,
  type Verdicts,
} from './verdict.ts';

/**
 * What this agent knows together with what the agent that served before it has written down. Of what has condemned a GPU the one that served knows
 * better, for example because an admin has acknowledged it; what happened after it last wrote is known here alone.
 * @param recalled as of this boot
 */
export function recallVerdicts(own: Verdicts, recalled: Verdicts, savedAt: number, now: number): Verdicts {
  const merged = [...recalled.gpus.values()].map((kept) =>
    mergeGpu(own.gpus.get(kept.gpu) ?? null, kept, savedAt, now),
  );
  const others = [...own.gpus.values()]
    .filter(({ gpu }) => !recalled.gpus.has(gpu))
    .map((gpu) => withFindings(gpu, { findings: gpu.findings.filter((each) => isOurs(each, savedAt)) }, now));
  return {
    bootId: own.bootId ?? recalled.bootId,
    gpus: new Map([...merged, ...others].map((gpu) => [gpu.gpu, gpu])),
  };
}

function mergeGpu(own: GpuVerdict | null, kept: GpuVerdict, savedAt: number, now: number): GpuVerdict {
  if (own === null) return kept;
  const newer = own.findings.filter((finding) => isOurs(finding, savedAt));
  const keys = new Set(newer.map(({ key }) => key));
  const isFaulty = newer.some((finding) => isLatched(finding) && finding.effect === 'unhealthy');
  const wasReset =
    (kept.answers === false && own.answers === true) ||
    (own.action === 'none' && isOverOnlyByReset(kept.action));
  return withFindings(
    {
      ...kept,
      findings: [
        ...kept.findings.filter((finding) => isLatched(finding) && !keys.has(finding.key)),
        ...newer,
      ],
      proof: isFaulty ? null : wasReset ? 'reset' : kept.proof,
      action: own.action ?? kept.action,
      answers: own.answers ?? kept.answers,
      unmonitored: own.unmonitored,
      // Heard of by both, it is one fault.
      condemnedAt:
        isFaulty && !isCondemned(kept)
          ? [...kept.condemnedAt, ...own.condemnedAt.slice(-1)].slice(-flapCondemnations)
          : kept.condemnedAt,
    },
    {},
    now,
  );
}

/** The driver tells one agent of a fault a moment before it tells the other, which may have written in between and been killed. */
const toldApartMs = 1000;

/** What follows the driver, and what is newer than what was written down. */
function isOurs(finding: Finding, savedAt: number): boolean {
  return !isLatched(finding) || finding.effect === 'noted' || finding.lastAt > savedAt - toldApartMs;
}
