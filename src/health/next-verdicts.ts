import type { HealthFact, Judging } from './facts.ts';
import { recallVerdicts } from './recall-verdicts.ts';
import { takeIncident } from './take-incident.ts';
import { takeSigns } from './take-signs.ts';
import {
  emptyVerdict,
  flapWithinMs,
  isCondemned,
  isLatched,
  withFindings,
  type GpuVerdict,
  type Verdicts,
} from './verdict.ts';

/** What is held against the GPUs of a node after one more fact; the same object when nothing has changed. */
export function nextVerdicts(before: Verdicts, fact: HealthFact, judging: Judging): Verdicts {
  const { now } = judging;
  switch (fact.kind) {
    case 'incident': {
      const { incident, scope } = fact;
      if (incident.gpu === null) return before;
      const known = before.gpus.get(incident.gpu) ?? emptyVerdict(incident.gpu, now);
      return replace(before, takeIncident(known, incident, scope, judging));
    }
    case 'signs':
      return takeAllSigns(before, fact, judging);
    case 'blind':
      return each(before, (gpu) =>
        gpu.unmonitored === fact.reason ? gpu : withFindings(gpu, { unmonitored: fact.reason }, now),
      );
    case 'boot':
      return takeBoot(before, fact.bootId, now);
    case 'acknowledged': {
      const known = before.gpus.get(fact.gpu);
      return known === undefined ? before : replace(before, acknowledge(known, fact.keys, now));
    }
    case 'recalled':
      return recallVerdicts(before, takeBoot(fact.verdicts, before.bootId, now), fact.savedAt, now);
  }
}

type SignsFact = Extract<HealthFact, { readonly kind: 'signs' }>;

function takeAllSigns(before: Verdicts, { signs, askedAt }: SignsFact, judging: Judging): Verdicts {
  const told = new Set(signs.map(({ uuid }) => uuid));
  const silent = [...before.gpus.values()].filter(
    (gpu) => !told.has(gpu.gpu) && isWorthKeeping(gpu, judging.now) && !wasTakenAway(gpu),
  );
  const asked = signs.map((each) =>
    takeSigns(before.gpus.get(each.uuid) ?? emptyVerdict(each.uuid, judging.now), each, {
      ...judging,
      askedAt: askedAt ?? null,
    }),
  );
  const all = [...asked, ...silent];
  const isSame = all.length === before.gpus.size && all.every((gpu) => before.gpus.get(gpu.gpu) === gpu);
  return isSame ? before : { ...before, gpus: new Map(all.map((gpu) => [gpu.gpu, gpu])) };
}

/** True for a GPU of which something has to be known when the driver does not name it, and after a restart of the agent. */
export function isWorthKeeping(gpu: GpuVerdict, now: number): boolean {
  const isRecent = (at: number): boolean => Math.abs(now - at) < flapWithinMs;
  return isCondemned(gpu) || gpu.tolerated.length > 0 || gpu.condemnedAt.some(isRecent);
}

/** A GPU that is not there after a reboot is gone, or will be seen after another one; only what an admin has to say of it is kept. */
function wasTakenAway({ proof, findings }: GpuVerdict): boolean {
  return proof === 'reboot' && findings.every(({ kind }) => kind !== 'flapping');
}

/** Another boot than before is a proof that everything was reset; of what programs did in the last one nothing is left. */
function takeBoot(before: Verdicts, bootId: string | null, now: number): Verdicts {
  if (bootId === null || before.bootId === bootId) return before;
  if (before.bootId === null) return { ...before, bootId };
  const rebooted = each(before, (gpu) =>
    withFindings(
      gpu,
      {
        findings: gpu.findings.filter((finding) => isLatched(finding) && finding.effect !== 'noted'),
        proof: isCondemned(gpu) ? 'reboot' : null,
        action: null,
        answers: null,
        unmonitored: null,
      },
      now,
    ),
  );
  return { ...rebooted, bootId };
}

/** What the driver goes on showing is lived with; the rest is over. */
function acknowledge(gpu: GpuVerdict, keys: ReadonlySet<string>, now: number): GpuVerdict {
  const isMeant = ({ key }: { readonly key: string }): boolean => keys.has(key);
  const findings = gpu.findings.flatMap((finding) => {
    if (!isMeant(finding) || finding.effect !== 'unhealthy' || !isLatched(finding)) return [finding];
    return isShownByDriver(finding) ? [{ ...finding, effect: 'degraded' as const }] : [];
  });
  const tolerated = findings.filter((each) => isMeant(each) && isShownByDriver(each)).map(({ key }) => key);
  const isOver = !isCondemned({ findings });
  return withFindings(
    gpu,
    {
      findings,
      tolerated: [...new Set([...gpu.tolerated, ...tolerated])],
      ...(isOver && { proof: null, condemnedAt: [] }),
    },
    now,
  );
}

function isShownByDriver({ kind }: GpuVerdict['findings'][number]): boolean {
  return kind === 'recovery-action' || kind === 'row-remap-failed' || kind === 'sram-threshold';
}

function replace(before: Verdicts, gpu: GpuVerdict): Verdicts {
  if (before.gpus.get(gpu.gpu) === gpu) return before;
  return { ...before, gpus: new Map(before.gpus).set(gpu.gpu, gpu) };
}

function each(before: Verdicts, change: (gpu: GpuVerdict) => GpuVerdict): Verdicts {
  const gpus = [...before.gpus.values()].map(change);
  if (gpus.every((gpu) => before.gpus.get(gpu.gpu) === gpu)) return before;
  return { ...before, gpus: new Map(gpus.map((gpu) => [gpu.gpu, gpu])) };
}
