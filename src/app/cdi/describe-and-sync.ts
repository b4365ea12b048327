import type { NodeDescriber, NodeDescription } from '../../cdi/describe-node.ts';
import type { SpecFolder } from '../../cdi/spec-folder.ts';
import type { Snapshot } from '../../inventory/gpu.ts';
import { describeError } from '../../lib/errors.ts';
import type { CdiState, DescribedReading } from './described.ts';
import type { Reading } from '../driver/inventory-loop.ts';
import type { OfferSettings } from '../settings.ts';

export interface DescribeDeps {
  /** The settings that go with the descriptions. */
  readonly settings: OfferSettings;
  readonly describer: Pick<NodeDescriber, 'describe'>;
  readonly folder: Pick<SpecFolder, 'path' | 'sync'>;
}

/** What came of describing one reading. */
export interface DescribeTurn {
  readonly state: CdiState &
    Pick<NodeDescription, 'missing'> & {
      /** The reading itself could not be described. */
      readonly stale: boolean;
    };
  /** Those that go with the names. */
  readonly settings: OfferSettings;
  /** Somebody else had changed a spec. */
  readonly spoiled: boolean;
}

/** Describes a reading and, for an agent that serves, puts its specs into the folder. Never rejects. */
export async function describeAndSync(
  { snapshot, nodes }: Reading,
  serving: boolean,
  before: DescribedReading | null,
  { describer, folder, settings }: DescribeDeps,
): Promise<DescribeTurn> {
  let description: NodeDescription;
  try {
    description = await describer.describe(snapshot, nodes);
  } catch (thrown) {
    return keepDescription(snapshot, serving, before, settings, describeError(thrown));
  }
  const { names, faults, trouble, missing, texts } = description;
  const known = { names, faults, trouble, missing, stale: false };
  if (!serving) return { state: { ...known, problem: null, inForce: false }, settings, spoiled: false };
  try {
    const spoiled = await folder.sync(texts);
    return { state: { ...known, problem: null, inForce: true }, settings, spoiled };
  } catch (thrown) {
    return { state: { ...known, problem: describeError(thrown), inForce: false }, settings, spoiled: false };
  }
}

/**
 * What is known when the node could not be described anew. The specs that are in force stay so: containers can be given the
 * GPUs in them, and no others.
 */
function keepDescription(
  { gpus }: Snapshot,
  serving: boolean,
  before: DescribedReading | null,
  settings: OfferSettings,
  reason: string,
): DescribeTurn {
  const old = before?.cdi ?? null;
  if (before === null || old === null || old.problem !== null || (serving && !old.inForce)) {
    const { names, faults } = old ?? noNames;
    const known = { names, faults, trouble: [], missing: [], stale: true };
    return { state: { ...known, problem: reason, inForce: false }, settings, spoiled: false };
  }
  const nameless = gpus.filter(({ uuid }) => !old.names.gpus.has(uuid));
  const faults = nameless.map(
    ({ uuid }) => [uuid, old.faults.get(uuid) ?? `no CDI device: ${reason}`] as const,
  );
  const trouble = [`the node could not be described anew, what was known of it stays: ${reason}`];
  const known = { names: old.names, faults: new Map(faults), trouble, missing: [], stale: true };
  return {
    state: { ...known, problem: null, inForce: old.inForce },
    settings: before.settings,
    spoiled: false,
  };
}

const noNames = { names: { gpus: new Map<string, string>(), others: [] }, faults: new Map<string, string>() };
