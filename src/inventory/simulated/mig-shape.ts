import type { MigEngines, MigInstance } from '../gpu.ts';
import { compareMigInstances, slicesOf } from '../mig-profile.ts';
import type { GpuModel, MigProfile } from './models.ts';
import type { MigEntry, MigRemoval } from './scenario-schema.ts';

/** A MIG instance of a scenario's GPU. */
export type SimulatedMigInstance = Omit<MigInstance, 'uuid' | 'capabilityNodes'>;

type Instances = readonly SimulatedMigInstance[];

/** The instances after a change, or what is wrong with the change, in words. */
export type MigChange =
  | { readonly kind: 'done'; readonly instances: Instances }
  | { readonly kind: 'wrong'; readonly problem: string };

/**
 * The instances that the entries ask for: an instance that is there already stays as it is, the others go, and new ones
 * take free ids.
 */
export function shapeInstances(
  product: GpuModel,
  present: Instances,
  entries: readonly MigEntry[],
): Instances {
  const kept: SimulatedMigInstance[] = [];
  const added: MigEntry[] = [];
  for (const entry of entries) {
    const same = present.find((instance) => !kept.includes(instance) && isAsked(instance, entry));
    if (same === undefined) added.push(entry);
    else kept.push(same);
  }
  return addInstances(product, kept, added);
}

/** Takes instances away and adds others; whatever is not named stays as it is. */
export function changeInstances(
  product: GpuModel,
  present: Instances,
  remove: readonly MigRemoval[],
  add: readonly MigEntry[],
): MigChange {
  let left = present;
  for (const what of remove) {
    const gone = left.filter(({ gpuInstanceId, profile }) => what === gpuInstanceId || what === profile);
    if (gone.length === 0) return { kind: 'wrong', problem: describeMissing(what, left) };
    const last = gone.at(-1);
    left = left.filter((instance) =>
      typeof what === 'number' ? !gone.includes(instance) : instance !== last,
    );
  }
  return { kind: 'done', instances: addInstances(product, left, add) };
}

/** What is wrong with these instances on one GPU, or null. A profile that the product is not known to offer counts as fitting. */
export function describeMisfit(product: GpuModel, instances: Instances): string | null {
  let compute = 0;
  let memory = 0;
  for (const [id, members] of Map.groupBy(instances, ({ gpuInstanceId }) => gpuInstanceId)) {
    const [first] = members;
    const whole = gpuProfileOf(first?.profile ?? '');
    const other = members.find(({ profile }) => gpuProfileOf(profile) !== whole);
    if (other !== undefined) return `GPU instance ${id} cannot be both ${whole} and ${other.profile}`;
    if (new Set(members.map(({ computeInstanceId }) => computeInstanceId)).size < members.length)
      return `GPU instance ${id} has two compute instances with one id`;
    const used = members.reduce((sum, { computeSlices }) => sum + (computeSlices ?? 0), 0);
    const slices = first?.gpuSlices ?? used;
    if (used > slices) return `GPU instance ${id} has ${slices} compute slices; ${used} are asked for`;
    compute += slices;
    memory += profileOf(product, whole)?.memorySlices ?? 0;
  }
  if (compute <= 7 && memory <= 8) return null;
  return `needs ${compute} compute and ${memory} memory slices; a GPU has 7 and 8`;
}

function isAsked(instance: SimulatedMigInstance, entry: MigEntry): boolean {
  const { profile, gpuInstanceId, computeInstanceId, memoryMiB } = toFields(entry);
  return (
    instance.profile === profile &&
    (gpuInstanceId === undefined || gpuInstanceId === instance.gpuInstanceId) &&
    (computeInstanceId === undefined || computeInstanceId === instance.computeInstanceId) &&
    (memoryMiB === undefined || memoryMiB === instance.memoryMiB)
  );
}

function addInstances(product: GpuModel, present: Instances, entries: readonly MigEntry[]): Instances {
  const instances = [...present];
  // The ids that are asked for must not be given to others first.
  const fields = entries.map(toFields);
  const named = fields.filter(({ gpuInstanceId }) => gpuInstanceId !== undefined);
  for (const { profile, memoryMiB, ...ids } of [...named, ...fields.filter((one) => !named.includes(one))]) {
    const slices = slicesOf(profile);
    const gpuInstanceId = ids.gpuInstanceId ?? findGpuInstance(instances, profile);
    const siblings = instances.filter((one) => one.gpuInstanceId === gpuInstanceId);
    const known = profileOf(product, gpuProfileOf(profile));
    instances.push({
      profile,
      gpuInstanceId,
      computeInstanceId:
        ids.computeInstanceId ??
        firstFree(
          0,
          siblings.map((one) => one.computeInstanceId),
        ),
      memoryMiB: memoryMiB ?? known?.memoryMiB ?? null,
      engines: known === undefined ? null : partOf(known.engines, slices),
      ...slices,
    });
  }
  return instances.toSorted(compareMigInstances);
}

/** A compute instance has its part of the multiprocessors, and shares all other engines. */
function partOf(
  engines: MigEngines,
  { gpuSlices, computeSlices }: Pick<MigInstance, 'gpuSlices' | 'computeSlices'>,
): MigEngines {
  const part = gpuSlices === null || computeSlices === null ? 1 : computeSlices / gpuSlices;
  return { ...engines, multiprocessors: Math.floor(engines.multiprocessors * part) };
}

/** A part of a GPU instance goes where there is room in one of its kind; all else into a GPU instance of its own. */
function findGpuInstance(instances: Instances, profile: string): number {
  const { gpuSlices, computeSlices } = slicesOf(profile);
  const room = instances.find((one) => {
    if (gpuProfileOf(one.profile) !== gpuProfileOf(profile)) return false;
    const siblings = instances.filter(({ gpuInstanceId }) => gpuInstanceId === one.gpuInstanceId);
    const used = siblings.reduce((sum, sibling) => sum + (sibling.computeSlices ?? 0), 0);
    return used + (computeSlices ?? 0) <= (gpuSlices ?? 0);
  });
  if (room !== undefined && gpuProfileOf(profile) !== profile) return room.gpuInstanceId;
  return firstFree(
    firstInstanceId(gpuSlices ?? 1),
    instances.map(({ gpuInstanceId }) => gpuInstanceId),
  );
}

/** GPU instance ids as the driver numbers them: 0 for the whole, 1–2 for halves, 3–6 for quarters, 7–14 for eighths. */
function firstInstanceId(gpuSlices: number): number {
  if (gpuSlices >= 7) return 0;
  if (gpuSlices >= 3) return 1;
  return gpuSlices === 2 ? 3 : 7;
}

function firstFree(from: number, taken: readonly number[]): number {
  let id = from;
  while (taken.includes(id)) id += 1;
  return id;
}

/** `1c.2g.10gb` is a part of `2g.10gb`. */
function gpuProfileOf(profile: string): string {
  return profile.replace(/^\d{1,2}c\./, '');
}

function profileOf(product: GpuModel, gpuProfile: string): MigProfile | undefined {
  return product.migProfiles[gpuProfile];
}

function toFields(entry: MigEntry): Exclude<MigEntry, string> {
  return typeof entry === 'string' ? { profile: entry } : entry;
}

function describeMissing(what: MigRemoval, present: Instances): string {
  const name = typeof what === 'number' ? `GPU instance ${what}` : what;
  const there = present.map(({ gpuInstanceId, profile }) => `${gpuInstanceId} (${profile})`);
  return `${name} is not there at that time; ${there.length === 0 ? 'there is none' : `there is: ${there.join(', ')}`}`;
}
