import type { KeptHoldings } from '../../allocation/holdings/kept-holdings.ts';
import { orAborted, untilAborted } from '../../lib/abort.ts';
import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import { Latest } from '../../lib/latest.ts';
import { readBootId } from '../../state/boot-id.ts';
import { encodeState, readState, writeState } from '../../state/state-file.ts';
import { heedReleases } from './heed-releases.ts';
import type { Node } from '../node.ts';
import type { RecallDeps } from './recall-state.ts';
import { runTogether } from '../supervise.ts';

export interface KeepStateDeps extends RecallDeps {
  readonly clock: Clock;
  /** Whether this agent still is the one that serves the node, as far as the lock says. */
  readonly holdsLock: () => boolean;
}

/** At most one write in this time. */
const writeEveryMs = 1000;
const afterFailureMs = 30_000;
/** An agent that ends waits no longer than this for a write that is under way and its last one: the successor waits for the lock. */
const lastWriteWithinMs = 200;

/**
 * Keeps what the next run of the agent has to know in the state folder, and hears there what an admin says of orphans, while this agent
 * serves. Once it ends nothing is written any more, so that the successor has the last word. A folder that cannot be written to is
 * no reason not to serve.
 */
export async function keepState(node: Node, deps: KeepStateDeps, signal: AbortSignal): Promise<void> {
  const bootId = await readBootId(deps.procfsRoot).catch((thrown: unknown) => {
    tellTrouble(node, deps, describeError(thrown));
    return null;
  });
  if (bootId === null) return untilAborted(signal);
  using keeper = new StateKeeper(node, deps, bootId);
  await keeper.begin();
  const running = runTogether(
    [
      (until) => saveChanges(keeper, node, deps.clock, until),
      (until) => heedReleases(node, keeper, deps, until),
    ],
    signal,
  );
  try {
    await orAborted(running, signal);
  } finally {
    const last = running.catch(() => undefined).then(() => keeper.save());
    const over = new AbortController();
    const limit = deps.clock.sleep(lastWriteWithinMs, over.signal).catch(() => undefined);
    await Promise.race([last, limit]);
    over.abort();
  }
}

async function saveChanges(
  keeper: StateKeeper,
  { books, inventory }: Node,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const changes = new Latest(0);
  const count = (): void => changes.set(changes.value + 1);
  const stop = books.onChange(count);
  const following = inventory.each(count, signal);
  try {
    while (!signal.aborted) {
      const seen = changes.value;
      const isKept = await keeper.save();
      await clock.sleep(isKept ? writeEveryMs : afterFailureMs, signal);
      if (isKept) await changes.until((value) => value !== seen, signal);
    }
  } finally {
    stop();
    await following;
  }
}

/** The state file of the agent that serves. */
class StateKeeper implements Disposable {
  readonly #node: Node;
  readonly #deps: KeepStateDeps;
  readonly #bootId: string;
  #written: string | null = null;
  #last: Promise<boolean> = Promise.resolve(true);
  #isOpen = true;

  constructor(node: Node, deps: KeepStateDeps, bootId: string) {
    this.#node = node;
    this.#deps = deps;
    this.#bootId = bootId;
  }

  /** Looks at what is there, so that the same is not written again. */
  async begin(): Promise<void> {
    const reading = await readState(this.#deps.stateDir);
    if (reading.kind === 'state') this.#written = encodeState(reading.state);
  }

  /**
   * Writes the state as it is now, if it is another one than in the file and the node has been planned; false when that fails. Never
   * rejects.
   */
  save(): Promise<boolean> {
    this.#last = this.#last.then(() => this.#save());
    return this.#last;
  }

  /** From now on the file belongs to someone else. */
  [Symbol.dispose](): void {
    this.#isOpen = false;
  }

  #mayWrite(): boolean {
    return this.#isOpen && this.#deps.holdsLock();
  }

  async #save(): Promise<boolean> {
    const { books, inventory } = this.#node;
    if (!this.#mayWrite()) return false;
    // What is there says more than an agent that has seen no GPU yet.
    if (!books.hasTerms) return true;
    const { kept } = books;
    if (this.#written === null && isEmpty(kept)) return true;
    const gpus = (inventory.value.reading?.snapshot.gpus ?? []).map(({ uuid, index }) => ({ uuid, index }));
    const text = encodeState({ bootId: this.#bootId, gpus, holdings: kept });
    if (text === this.#written) return true;
    try {
      if (!(await writeState(this.#deps.stateDir, text, () => this.#mayWrite()))) return false;
    } catch (thrown) {
      tellTrouble(this.#node, this.#deps, describeError(thrown));
      return false;
    }
    this.#written = text;
    tellTrouble(this.#node, this.#deps, null);
    return true;
  }
}

function isEmpty({ orphans, booked }: KeptHoldings): boolean {
  return orphans.length === 0 && booked.length === 0;
}

/** Once each; `null`: there is none any more. */
function tellTrouble({ stateTrouble }: Node, { stateDir, log }: KeepStateDeps, reason: string | null): void {
  const trouble =
    reason === null
      ? null
      : `nothing can be kept in ${stateDir} over a restart of the agent; containers that the kubelet loses meanwhile are not known afterwards: ${reason}`;
  if (trouble === stateTrouble.value) return;
  stateTrouble.set(trouble);
  if (trouble === null) log.info({ folder: stateDir }, 'what has to outlive the agent is kept again');
  else log.warn(trouble);
}
