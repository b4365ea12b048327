import type { GpuIncident } from '../inventory/gpu-signs.ts';
import { addFindings } from './condemn.ts';
import type { Judging } from './facts.ts';
import { signTexts, xidRemedy } from './remedies.ts';
import { withFindings, type Finding, type GpuVerdict, type MigScope } from './verdict.ts';
import { condemns, lookUpXid } from './xid.ts';

/** A GPU after something has befallen it. */
export function takeIncident(
  before: GpuVerdict,
  incident: GpuIncident,
  scope: MigScope | null,
  { now, rules }: Judging,
): GpuVerdict {
  const told = describeIncident(incident, rules);
  if (told === null) return before;
  const found = { ...told, key: keyOf(told.key, scope), scope };
  const known = before.findings.find(({ key }) => key === found.key);
  const finding: Finding = {
    ...found,
    // What counts for the whole GPU because more befell it than is kept goes on doing so.
    scope: known === undefined ? scope : known.scope,
    // What has condemned the GPU goes on doing so, whatever the config says meanwhile.
    effect: known?.effect === 'unhealthy' ? 'unhealthy' : found.effect,
    firstAt: known?.firstAt ?? now,
    lastAt: now,
    count: Math.min((known?.count ?? 0) + incident.count, Number.MAX_SAFE_INTEGER),
  };
  return withFindings(before, addFindings(before, [finding], now), now);
}

function keyOf(key: string, scope: MigScope | null): string {
  if (scope === null) return key;
  const { gpuInstanceId, computeInstanceId } = scope;
  return `${key}@${gpuInstanceId}${computeInstanceId === null ? '' : `/${computeInstanceId}`}`;
}

type Told = Pick<Finding, 'key' | 'kind' | 'xid' | 'xidClass' | 'effect' | 'what' | 'remedy'>;

/** `null`: it says nothing but that the signs are others. */
function describeIncident(incident: GpuIncident, rules: Judging['rules']): Told | null {
  switch (incident.kind) {
    case 'xid': {
      const entry = lookUpXid(incident.xid);
      const condemned = condemns(incident.xid, rules.xids);
      return {
        key: `xid-${incident.xid}`,
        kind: 'xid',
        xid: incident.xid,
        xidClass: entry.class,
        effect: condemned ? 'unhealthy' : 'noted',
        what: `XID ${incident.xid} (${entry.name})`,
        remedy: xidRemedy(entry, condemned),
      };
    }
    // The errors of memory that count come with an XID: 48, 95 for the GPU, 94 for one program alone.
    case 'uncorrectable-ecc':
      return { ...plain(incident.kind), effect: 'noted', ...signTexts[incident.kind] };
    case 'unavailable':
      return {
        ...plain(incident.kind),
        effect: rules.signsCount ? 'unhealthy' : 'noted',
        ...signTexts[incident.kind],
      };
    case 'recovery-action-changed':
      return null;
  }
}

function plain<Kind extends 'uncorrectable-ecc' | 'unavailable'>(kind: Kind) {
  return { key: kind, kind, xid: null, xidClass: null };
}
