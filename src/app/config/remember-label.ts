import type { LabelState } from '../../cluster/follow-label.ts';
import { describeError } from '../../lib/errors.ts';
import type { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import { keepLabel, readKeptLabel } from '../../state/kept-label.ts';

/** Whose label it is, and where what it said is kept. */
export interface RememberedLabel {
  readonly stateDir: string;
  readonly nodeName: string;
  readonly label: string;
}

/** What the label said when an agent could read it last; `undefined` when nobody knows. Never fails: a file that cannot be used is said. */
export async function recallLabel(of: RememberedLabel, log: Log): Promise<string | null | undefined> {
  try {
    return await readKeptLabel(of.stateDir, of);
  } catch (thrown) {
    log.warn(`what the node's label said last is not known: ${describeError(thrown)}`);
    return undefined;
  }
}

/**
 * Keeps what the label says, for an agent that starts while the API server cannot be asked. Never fails: what cannot be kept is said.
 * @param kept what is kept already
 */
export async function rememberLabel(
  state: Latest<LabelState>,
  of: RememberedLabel,
  kept: string | null | undefined,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  let last = kept;
  for await (const { value } of state.values(signal)) {
    if (value === undefined || value === last) continue;
    last = value;
    await keepLabel(of.stateDir, { ...of, value }).catch((thrown: unknown) => {
      log.warn(`what the node's label says cannot be kept for the next start: ${describeError(thrown)}`);
    });
  }
}
