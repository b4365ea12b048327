import { defaultHealthRules, type HealthFact, type HealthRules } from '../../src/health/facts.ts';
import { nextVerdicts } from '../../src/health/next-verdicts.ts';
import { noVerdicts, type GpuVerdict, type MigScope, type Verdicts } from '../../src/health/verdict.ts';
import { unknownSigns, type GpuIncident, type GpuSigns } from '../../src/inventory/gpu-signs.ts';
import { gpu } from '../support/snapshots.ts';

export const uuid = gpu(0).uuid;
export const otherUuid = gpu(1).uuid;
const boots = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'] as const;

/** An XID of the first GPU. */
export function xid(code: number, scope: MigScope | null = null, of: string = uuid): HealthFact {
  const incident: GpuIncident = {
    gpu: of,
    pciBusId: null,
    gpuInstanceId: scope?.gpuInstanceId ?? null,
    computeInstanceId: scope?.computeInstanceId ?? null,
    count: 1,
    source: 'simulated',
    kind: 'xid',
    xid: code,
  };
  return { kind: 'incident', incident, scope };
}

/** The first GPU says that it is well, but for what is given. */
export function signs(given: Partial<GpuSigns> = {}, others: readonly GpuSigns[] = []): HealthFact {
  return { kind: 'signs', signs: [wellSigns(uuid, given), ...others] };
}

export function wellSigns(of: string, given: Partial<GpuSigns> = {}): GpuSigns {
  const rowRemap = { failed: false, pending: false };
  return {
    ...unknownSigns(of),
    recoveryAction: 'none',
    rowRemap,
    sramThresholdExceeded: false,
    nvlinksDown: 0,
    ...given,
  };
}

/** The first GPU does not answer. */
export const lost: HealthFact = {
  kind: 'signs',
  signs: [{ ...unknownSigns(uuid), lost: 'GPU is lost' }],
};

/** The first GPU hung when it was asked, and is left alone. */
export const silent: HealthFact = {
  kind: 'signs',
  signs: [{ ...unknownSigns(uuid), lost: 'it did not answer in time', isUnsure: true }],
};

export function boot(at: 0 | 1): HealthFact {
  return { kind: 'boot', bootId: boots[at] };
}

/** An admin says of all that there is that it is over. */
export const ackAll = (verdicts: Verdicts): HealthFact => ({
  kind: 'acknowledged',
  gpu: uuid,
  keys: new Set(verdicts.gpus.get(uuid)?.findings.map(({ key }) => key)),
});

export const minuteMs = 60_000;
/** Long enough apart that nothing flaps. */
const hoursMs = 2 * 3_600_000;

/** What comes of facts that are learned one after the other. */
export function after(
  facts: readonly (HealthFact | ((verdicts: Verdicts) => HealthFact))[],
  {
    apartMs = hoursMs,
    rules = defaultHealthRules,
    from = noVerdicts,
    startMs = 1e12,
  }: {
    readonly apartMs?: number;
    readonly rules?: HealthRules;
    readonly from?: Verdicts;
    readonly startMs?: number;
  } = {},
): Verdicts {
  let verdicts = from;
  for (const [at, fact] of facts.entries()) {
    const known = typeof fact === 'function' ? fact(verdicts) : fact;
    verdicts = nextVerdicts(verdicts, known, { now: startMs + at * apartMs, rules });
  }
  return verdicts;
}

/** The verdict on the first GPU. */
export function verdictOf(verdicts: Verdicts, of: string = uuid): GpuVerdict {
  const verdict = verdicts.gpus.get(of);
  if (verdict === undefined) throw new Error(`there is no verdict on ${of}`);
  return verdict;
}
