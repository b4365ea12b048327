import { nameHardware, type Hardware } from './hardware.ts';
import type { Degradation, Remarks } from './remark.ts';
import { gpuResource, profileResource, type ResourceName } from './resource-name.ts';
import type { NamePattern, ResourceSettings } from './resource-settings.ts';
import { matchesWildcard } from '../lib/wildcard.ts';

/** Hardware by the resource that it is offered as, before sharing gives it another name. */
export type NamedHardware = ReadonlyMap<ResourceName, readonly Hardware[]>;

/**
 * Gives hardware its resource: that of the first pattern which fits the product of a GPU or the profile of an instance, else
 * `nvidia.com/gpu`, and for an instance under the strategy `mixed` `nvidia.com/mig-<profile>`.
 */
export function assignNames(
  hardware: readonly Hardware[],
  { migStrategy, patterns }: Pick<ResourceSettings, 'migStrategy' | 'patterns'>,
): { readonly named: NamedHardware; readonly remarks: Remarks } {
  const fitted = new Set<NamePattern>();
  const nameless = new Set<string>();
  const degradations: Degradation[] = [];
  const named = new Map<ResourceName, Hardware[]>();
  for (const each of hardware) {
    const [own, text, key] =
      each.mig === null
        ? ([patterns.gpus, each.gpu.name, 'resources.gpus'] as const)
        : ([patterns.mig, each.mig.profile, 'resources.mig'] as const);
    const found = own.find(({ pattern }) => matchesWildcard(pattern, text));
    if (found !== undefined) fitted.add(found);
    const byProfile = each.mig !== null && migStrategy === 'mixed';
    const name = found?.name ?? (byProfile ? profileResource(text) : gpuResource);
    if (name === null) {
      degradations.push({
        kind: 'unusable-name',
        message: `${nameHardware(each)} is not offered: nvidia.com/mig-${text} is no name that Kubernetes takes. Name it in resources.mig.`,
      });
      continue;
    }
    if (found === undefined && own.length > 0)
      nameless.add(`${key}: no pattern fits '${text}': it is offered as ${name}`);
    const others = named.get(name);
    if (others === undefined) named.set(name, [each]);
    else others.push(each);
  }
  const notices = [
    ...nameless,
    ...unfitted('resources.gpus', patterns.gpus, fitted),
    ...unfitted('resources.mig', patterns.mig, fitted),
  ];
  return { named, remarks: { degradations, notices } };
}

/** Patterns that no device met; a node without such devices is nothing new for `*`. */
function unfitted(
  key: string,
  patterns: readonly NamePattern[],
  fitted: ReadonlySet<NamePattern>,
): readonly string[] {
  return patterns.flatMap((each, index) =>
    fitted.has(each) || each.pattern === '*'
      ? []
      : [`${key}[${index}]: the pattern '${each.pattern}' fits nothing on this node`],
  );
}
