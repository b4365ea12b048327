import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { mayList, wantsList, wantsRound } from '../../allocation/holdings/due.ts';
import type { Reading } from '../../allocation/holdings/events.ts';
import { checkpointName, readCheckpoint } from '../../kubelet/checkpoint.ts';
import { listHeldDevices } from '../../kubelet/pod-resources.ts';
import { waitUntilRewritten } from '../../kubelet/rewritten-checkpoint.ts';
import { socketIdentity, watchSocket } from '../../kubelet/socket-watch.ts';
import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import { msToStep } from '../../lib/in-step.ts';
import { Latest } from '../../lib/latest.ts';
import { onceEach, warnOnceEach } from '../../lib/once-each.ts';
import { untilOrPause } from '../../lib/until-or-pause.ts';
import type { Books } from './books.ts';
import { keepState, type KeepStateDeps } from './keep-state.ts';
import type { Node } from '../node.ts';
import { watchForPodResources } from './pod-resources-trouble.ts';
import { recallState } from './recall-state.ts';
import { reportOrphans } from './report-orphans.ts';
import { runTogether } from '../supervise.ts';
import { watchUsedMemory } from './watch-used-memory.ts';

export interface KeepBooksDeps extends KeepStateDeps {
  readonly kubeletSocket: string;
  readonly podResourcesSocket: string;
}

const lookEveryMs = 100;
/** The same where nothing is held, or no memory is offered. */
const lookIdlyMs = 2000;
/** Time between two tries of what the kubelet did not answer. */
const tryAgainMs = 1000;
/** The kubelet writes its record for each list that it receives; this is ample. */
const writtenWithinMs = 1000;
/**
 * An Allocate that would be refused waits no longer than this for the kubelet's record. The kubelet syncs it to the disk, which can take
 * seconds while images are pulled; its own call has no deadline, and a pod that is refused has failed for good.
 */
const rereadWithinMs = 5000;
/** Some that were begun too early, and two in a row that lack what is young. */
const mostLooks = 6;

/** Starts the books of the node that this agent begins to serve, from the kubelet's record as it is. */
export async function openBooks(node: Node, deps: KeepBooksDeps): Promise<void> {
  const { books, inventory } = node;
  books.onOrphans((news) =>
    reportOrphans(news, books.offer.node, inventory.value.reading?.snapshot, deps.log),
  );
  await books.begin({
    look: () => ({ identity: socketIdentity(deps.kubeletSocket), sinceMs: kubeletSinceMs(deps) }),
    recall: () => recallState(deps),
    read: () => readReading(deps),
    reread: (isEnough) => rereadAfterList(node, deps, isEnough),
  });
}

/**
 * Keeps the books of a node right while this agent serves it: follows the kubelet's restarts, and asks it what containers hold as often
 * as the rules want. When it ends, another agent may serve the node, and each decision that is still asked for looks at the kubelet's
 * record first.
 */
export async function keepBooks(node: Node, deps: KeepBooksDeps, signal: AbortSignal): Promise<void> {
  try {
    await runTogether(
      [
        (until) => followKubelet(node.books, deps, until),
        (until) => lookAgain(node, deps, until),
        (until) => keepState(node, deps, until),
        (until) => watchUsedMemory(node, until),
      ],
      signal,
    );
  } finally {
    node.listTrouble.set(null);
    node.books.distrust(() => rereadAsItIs(node.books, deps));
  }
}

async function followKubelet(books: Books, deps: KeepBooksDeps, signal: AbortSignal): Promise<void> {
  const kubelet = await watchSocket(deps.kubeletSocket, deps.clock, signal);
  let known = books.holdings.kubelet;
  for await (const identity of kubelet.values(signal)) {
    if (identity === null || identity === known) continue;
    known = identity;
    const checkpoint = await readReading(deps);
    books.apply({ kind: 'kubelet-appeared', atMs: deps.clock.now(), kubelet: identity, checkpoint });
  }
}

async function lookAgain(node: Node, deps: KeepBooksDeps, signal: AbortSignal): Promise<void> {
  const { books, offers, serving } = node;
  const { clock, log } = deps;
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  const sayTrouble = warnOnceEach(log);
  const whyNoLists = watchForPodResources(deps.podResourcesSocket, clock);
  const sayPause = onceEach((text) => {
    if (text === '') log.info('GPU memory is given out again');
    else log.warn(text);
  });
  const isQuiet = (): boolean => mayList(books.calls.now, clock.now());
  const changes = new Latest(0);
  using _ = { [Symbol.dispose]: books.onChange(() => changes.set(changes.value + 1)) };
  while (!signal.aborted) {
    const seen = changes.value;
    if (!books.areNeeded) node.listTrouble.set(null);
    await untilNextLook(books, changes, seen, clock, signal).catch(() => undefined);
    const nowMs = clock.now();
    const connected = offers.value.every(({ resource }) => serving.isConnected(resource));
    if (signal.aborted || !books.areNeeded || nowMs < notBeforeMs || !connected || !isQuiet()) continue;
    books.tick();
    try {
      const wanted = wantsRound(books.holdings, nowMs)
        ? await makeRound(node, deps, isQuiet, signal)
        : wantsList(books.holdings, nowMs)
          ? await takeList(books, deps, isQuiet, signal)
          : 'done';
      node.listTrouble.set(whyNoLists());
      if (wanted === 'unanswered') notBeforeMs = nowMs + tryAgainMs;
      sayTrouble(node.listTrouble.value ?? '');
      sayPause(describePause(books));
    } catch (thrown) {
      if (signal.aborted) return;
      notBeforeMs = nowMs + tryAgainMs;
      sayTrouble(`what containers hold cannot be asked of the kubelet: ${describeError(thrown)}`);
    }
  }
}

/** @param seen number of the last change that is known; after another one there is a short rest, as more of them may follow */
async function untilNextLook(
  books: Books,
  changes: Latest<number>,
  seen: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  if (hasNothingToDo(books))
    await untilOrPause(changes, (value) => value !== seen, msToStep(clock, lookIdlyMs), clock, signal);
  if (changes.value !== seen || !hasNothingToDo(books)) await clock.sleep(lookEveryMs, signal);
}

/** Until something changes, nothing has to be asked of the kubelet. */
function hasNothingToDo({ areNeeded, holdings }: Books): boolean {
  const { entries, started, books, unsettled } = holdings;
  return !areNeeded || (entries.length === 0 && started && books === 'fresh' && unsettled === null);
}

/** What keeps memory from being given out; empty when nothing does. */
function describePause(books: Books): string {
  if (books.holdings.books === 'unreadable') return unreadable;
  return books.whyPaused === null ? '' : `no GPU memory is given out: ${books.whyPaused}`;
}

type Outcome = 'done' | 'unanswered';

const unreadable =
  "the kubelet's record of what is held cannot be read: memory, and free GPUs that have memory on offer, are not given out until it can";

async function takeList(
  books: Books,
  deps: KeepBooksDeps,
  isQuiet: () => boolean,
  signal: AbortSignal,
): Promise<Outcome> {
  const containers = await listHeldDevices(deps.podResourcesSocket, isQuiet, signal);
  if (containers === 'busy') return 'done';
  books.apply({ kind: 'listed', atMs: deps.clock.now(), containers });
  return 'done';
}

/** A List, a list sent anew, and the record that the kubelet writes after it: in this order it forgets who has ended. */
async function makeRound(
  node: Node,
  deps: KeepBooksDeps,
  isQuiet: () => boolean,
  signal: AbortSignal,
): Promise<Outcome> {
  const { clock } = deps;
  const startedMs = clock.now();
  const containers = await listHeldDevices(deps.podResourcesSocket, isQuiet, signal);
  if (containers === 'busy') return 'done';
  const folder = dirname(deps.kubeletSocket);
  if (!(await waitUntilRewritten(folder, () => resend(node), writtenWithinMs, clock, signal)))
    return 'unanswered';
  const checkpoint = await readReading(deps);
  const { books } = node;
  const isFirst = !books.holdings.started;
  books.apply({ kind: 'round', startedMs, atMs: clock.now(), containers, checkpoint });
  books.trust();
  if (isFirst && books.holdings.started)
    deps.log.info({ held: books.holdings.entries.length }, 'what containers hold on this node is known');
  return 'done';
}

/**
 * During an Allocate no List may be asked for; a list sent anew makes the kubelet write down what it has. Where that is not enough, it is
 * made to write again: a file may be one that it had begun before, with what has just ended, and what is young is gone only when two files in
 * a row lack it.
 */
async function rereadAfterList(node: Node, deps: KeepBooksDeps, isEnough: () => boolean): Promise<void> {
  const { books } = node;
  const { clock } = deps;
  const endMs = clock.now() + rereadWithinMs;
  const never = new AbortController().signal;
  const folder = dirname(deps.kubeletSocket);
  let before: Reading | null = null;
  for (let looks = 0; looks < mostLooks; looks += 1) {
    const startedMs = clock.now();
    if (!(await waitUntilRewritten(folder, () => resend(node), endMs - startedMs, clock, never))) return;
    const checkpoint = await readReading(deps);
    books.apply({ kind: 'checkpoint-reread', startedMs, atMs: clock.now(), checkpoint, before });
    if (isEnough()) return;
    before = checkpoint;
  }
}

/** The kubelet writes down each allocation before it asks for the next one. */
async function rereadAsItIs(books: Books, deps: KeepBooksDeps): Promise<void> {
  const startedMs = deps.clock.now();
  const checkpoint = await readReading(deps);
  books.apply({ kind: 'checkpoint-reread', startedMs, atMs: deps.clock.now(), checkpoint, before: null });
}

/** One list is enough: the record is of all resources. False when nobody listens to any. */
function resend({ offers, serving }: Node): boolean {
  const heard = offers.value.filter(({ resource }) => serving.isConnected(resource));
  const [shortest] = heard.toSorted((a, b) => a.list.value.length - b.list.value.length);
  shortest?.resend();
  return shortest !== undefined;
}

async function readReading({ kubeletSocket, log }: KeepBooksDeps): Promise<Reading> {
  const folder = dirname(kubeletSocket);
  try {
    return existsSync(join(folder, checkpointName)) ? await readCheckpoint(folder) : 'absent';
  } catch (thrown) {
    log.debug(describeError(thrown));
    return 'unreadable';
  }
}

/** When the kubelet's socket appeared, by the clock of the books. */
function kubeletSinceMs({ kubeletSocket, clock }: KeepBooksDeps): number {
  try {
    return clock.now() - Math.max(0, Date.now() - statSync(kubeletSocket).ctimeMs);
  } catch {
    return clock.now();
  }
}
