import type { NodeDescription } from '../../cdi/describe-node.ts';
import type { Reading } from '../driver/inventory-loop.ts';
import type { OfferSettings } from '../settings.ts';

/** What container runtimes know of the node. */
export interface CdiState extends Pick<NodeDescription, 'names' | 'faults'> {
  /** Why they do not know what they should; `null` when they do. */
  readonly problem: string | null;
  /** What works less well than it could, one sentence each. */
  readonly trouble: readonly string[];
  /** The specs lie in their folder as they should; an agent that stands by leaves them to the one that serves. */
  readonly inForce: boolean;
}

/** A reading of the GPUs with what runtimes know of it, and the settings that go with both. */
export interface DescribedReading {
  readonly reading: Reading;
  readonly settings: OfferSettings;
  /** `null` where containers are not given devices by CDI name. */
  readonly cdi: CdiState | null;
}
