import { prepareGpus } from './preferred-gpus.ts';
import { type KnownRequest, type PreferredRequest, readRequest } from './preferred-request.ts';
import { chooseShares, groupShares, type SharedDevicesPolicy } from './preferred-shares.ts';
import type { LinkScores } from './topology.ts';

/** A listed device, as far as its choice depends on it. */
export interface PreferableDevice {
  /** The GPU's UUID for a whole GPU; `MIG-…` or `…::<n>` for less. */
  readonly id: string;
  /** The GPU that it is, is cut from, or is a share of. */
  readonly gpuUuid: string;
}

export interface PreferenceRules {
  /** Joins whole GPUs. */
  readonly links: LinkScores;
  /** Chooses among replicas and MIG instances. */
  readonly policy: SharedDevicesPolicy;
}

/**
 * Proposes the devices for one container: the required ones, then those chosen, each part in the order of the list. Never fails,
 * because an error here fails the pod: ids that are not listed come last in their part, duplicates count once, and a request that
 * cannot be met gets what there is.
 */
export type Prefer = (request: PreferredRequest) => readonly string[];

/**
 * Prepares the choice for a resource's list, so that a request costs little. A list of whole GPUs gives sets that are joined best;
 * any other, replicas by the policy.
 * @param devices all listed devices in order of GPU index, the replicas of a device in order of their number
 */
export function preparePreferred(devices: readonly PreferableDevice[], rules: PreferenceRules): Prefer {
  const positions = new Map<string, number>();
  const listed = devices.filter(({ id }) => !positions.has(id) && positions.set(id, positions.size));
  const ids = listed.map(({ id }) => id);
  const choose = prepareChoice(listed, rules);
  return (request) => {
    const known = readRequest(request, positions);
    const named = (chosen: readonly number[]): readonly string[] =>
      chosen.map((position) => ids[position] ?? '');
    return [
      ...named(known.required),
      ...known.unknownRequired,
      ...named(known.picks === 0 ? [] : choose(known)),
      ...known.unknownAvailable,
    ].slice(0, known.size);
  };
}

/** Positions of the devices that are chosen beside the required ones; ascending. */
type Choose = (request: KnownRequest) => readonly number[];

function prepareChoice(devices: readonly PreferableDevice[], { links, policy }: PreferenceRules): Choose {
  if (devices.some(({ id, gpuUuid }) => id !== gpuUuid)) {
    const groups = groupShares(devices);
    return (request) => chooseShares(request, groups, policy);
  }
  return prepareGpus(
    devices.map(({ gpuUuid }) => gpuUuid),
    links,
  );
}
