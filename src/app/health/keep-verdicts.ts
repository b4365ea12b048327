import { isDeepStrictEqual } from 'node:util';
import { isGraver, toKeep, withoutCounts } from '../../health/kept-verdicts.ts';
import type { Verdicts } from '../../health/verdict.ts';
import { orAborted } from '../../lib/abort.ts';
import { describeError } from '../../lib/errors.ts';
import { warnOnceEach } from '../../lib/once-each.ts';
import { untilOrPause } from '../../lib/until-or-pause.ts';
import { readBootId } from '../../state/boot-id.ts';
import { readVerdicts, writeVerdicts, type KeptVerdicts } from '../../state/verdict-file.ts';
import { heedAcknowledgements } from './heed-acknowledgements.ts';
import type { KeepStateDeps } from '../books/keep-state.ts';
import type { Node } from '../node.ts';
import type { RecallDeps } from '../books/recall-state.ts';
import { runTogether } from '../supervise.ts';

/** At most one write in this time, but for what is new: a SIGKILL must not bring a GPU back that has just been taken out. */
const writeEveryMs = 1000;
/** So many more in `hastePerMs`, whatever happens. */
const mostInHaste = 32;
const hastePerMs = 60_000;
/** How often a fault was told is no reason to write more often. */
const writeCountsEveryMs = 60_000;
const afterFailureMs = 30_000;
/** An agent that ends waits no longer than this for its last write: the successor waits for the lock. */
const lastWriteWithinMs = 200;

/** What an earlier run of the agent held against GPUs goes on being held against them. Never rejects. */
export async function recallVerdicts(
  { health }: Pick<Node, 'health'>,
  { stateDir, procfsRoot, log }: RecallDeps,
): Promise<void> {
  const [bootId, reading] = await Promise.all([
    readBootId(procfsRoot).catch(() => null),
    readVerdicts(stateDir),
  ]);
  if (bootId !== null) health.learn({ kind: 'boot', bootId });
  if (reading.kind === 'unusable')
    log.warn(`what was held against GPUs before the agent was restarted is lost: ${reading.reason}`);
  if (reading.kind !== 'verdicts') return;
  const { kept } = reading;
  const gpus = new Map(kept.gpus.map((gpu) => [gpu.gpu, gpu]));
  health.learn({ kind: 'recalled', verdicts: { bootId: kept.bootId, gpus }, savedAt: kept.savedAt });
  const out = kept.gpus.filter(({ state }) => state === 'unhealthy').map(({ gpu }) => gpu);
  if (out.length === 0) return;
  const isRebooted = bootId !== null && kept.bootId !== null && kept.bootId !== bootId;
  log.info(
    { gpus: out },
    isRebooted
      ? 'the node was rebooted: GPUs that were out come back when the driver wants nothing more'
      : 'GPUs that were out before the agent was restarted stay out',
  );
}

/**
 * Keeps what is held against GPUs in the state folder, and hears there what an admin says of them, while this agent serves. A folder that cannot be
 * written to is no reason not to serve.
 */
export async function keepVerdicts(node: Node, deps: KeepStateDeps, signal: AbortSignal): Promise<void> {
  using keeper = new VerdictKeeper(node, deps);
  await keeper.begin();
  const running = runTogether(
    [
      (until) => saveChanges(keeper, node, deps, until),
      (until) => heedAcknowledgements(node, keeper, deps, until),
    ],
    signal,
  );
  try {
    await orAborted(running, signal);
  } finally {
    const last = running.catch(() => undefined).then(() => keeper.save('now'));
    const over = new AbortController();
    const limit = deps.clock.sleep(lastWriteWithinMs, over.signal).catch(() => undefined);
    await Promise.race([last, limit]);
    over.abort();
  }
}

async function saveChanges(
  keeper: VerdictKeeper,
  { health }: Pick<Node, 'health'>,
  { clock }: KeepStateDeps,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const seen = health.verdicts.value;
    const isKept = await keeper.save('soon');
    const pauseMs = isKept ? writeEveryMs : afterFailureMs;
    await untilOrPause(health.verdicts, (value) => keeper.isHasty(value), pauseMs, clock, signal);
    if (isKept) await health.verdicts.until((value) => value !== seen, signal);
  }
}

/** The file of the agent that serves. */
class VerdictKeeper implements Disposable {
  readonly #node: Pick<Node, 'health'>;
  readonly #deps: KeepStateDeps;
  readonly #say: (trouble: string) => void;
  #written: KeptVerdicts | null = null;
  /** What was written last, or was to be and could not. */
  #tried: KeptVerdicts['gpus'] = [];
  #writtenAtMs = 0;
  #last: Promise<boolean> = Promise.resolve(true);
  #isOpen = true;
  #haste = { sinceMs: 0, count: 0 };

  constructor(node: Pick<Node, 'health'>, deps: KeepStateDeps) {
    this.#node = node;
    this.#deps = deps;
    this.#say = warnOnceEach(deps.log);
  }

  /** Looks at what is there, so that the same is not written again. */
  async begin(): Promise<void> {
    const reading = await readVerdicts(this.#deps.stateDir);
    if (reading.kind !== 'verdicts') return;
    this.#written = reading.kept;
    this.#tried = reading.kept.gpus;
  }

  /**
   * Writes what is held against GPUs, if that is other than in the file; false when that fails. Never rejects.
   * @param counts when how often a fault was told is a change
   */
  save(counts: 'now' | 'soon'): Promise<boolean> {
    this.#last = this.#last.then(() => this.#save(counts));
    return this.#last;
  }

  /** Whether the file must not wait for this: without it a restart would let back what is out. Says so only so often. */
  isHasty(verdicts: Verdicts): boolean {
    if (!isGraver(verdicts, this.#tried)) return false;
    const nowMs = this.#deps.clock.now();
    if (nowMs - this.#haste.sinceMs > hastePerMs) this.#haste = { sinceMs: nowMs, count: 0 };
    this.#haste.count += 1;
    return this.#haste.count <= mostInHaste;
  }

  /** From now on the file belongs to someone else. */
  [Symbol.dispose](): void {
    this.#isOpen = false;
  }

  #mayWrite(): boolean {
    return this.#isOpen && this.#deps.holdsLock();
  }

  async #save(counts: 'now' | 'soon'): Promise<boolean> {
    const { health } = this.#node;
    const { clock, stateDir } = this.#deps;
    const savedAt = health.wallNow();
    const gpus = toKeep(health.verdicts.value, savedAt);
    this.#tried = gpus;
    if (!this.#mayWrite()) return false;
    const { bootId } = health.verdicts.value;
    const countsCount = counts === 'now' || clock.now() - this.#writtenAtMs > writeCountsEveryMs;
    if (this.#isWritten({ bootId, gpus, savedAt }, countsCount)) return true;
    try {
      const kept = { bootId, gpus, savedAt };
      if (!(await writeVerdicts(stateDir, kept, () => this.#mayWrite()))) return false;
      this.#written = kept;
      this.#writtenAtMs = clock.now();
      this.#say('');
      return true;
    } catch (thrown) {
      this.#say(
        `what is held against GPUs cannot be kept in ${stateDir} over a restart of the agent: ${describeError(thrown)}`,
      );
      return false;
    }
  }

  #isWritten({ bootId, gpus }: KeptVerdicts, countsCount: boolean): boolean {
    const written = this.#written;
    if (written === null) return gpus.length === 0;
    // With nothing held against any GPU, the boot says nothing.
    if (gpus.length === 0 && written.gpus.length === 0) return true;
    const plain = (all: KeptVerdicts['gpus']) => (countsCount ? all : withoutCounts(all));
    return written.bootId === bootId && isDeepStrictEqual(plain(written.gpus), plain(gpus));
  }
}
