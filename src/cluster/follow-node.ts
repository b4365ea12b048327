import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../lib/clock.ts';
import { isAbort } from '../lib/errors.ts';
import type { Latest } from '../lib/latest.ts';
import type { Log } from '../lib/log.ts';
import { onceEach } from '../lib/once-each.ts';
import { backoffMs } from '../lib/retry.ts';
import type { ApiProblem, MetaPart, NodeMeta, OwnNodeApi } from './node-api.ts';
import { openApi } from './open-api.ts';

/** What is known of something in a node's metadata. */
export interface Followed<T> {
  /** `undefined` while nothing is known. */
  readonly value: T | undefined;
  /** What is wrong now; `null` when every edit is seen at once. */
  readonly problem: FollowProblem | null;
}

/** `unread`: what was known stays. `unwatched`: it is read again and again, so that an edit is seen, up to 30 s late. */
export interface FollowProblem {
  readonly kind: 'unread' | 'unwatched';
  readonly message: string;
}

export interface FollowNodeDeps {
  readonly nodeName: string;
  /** Opens the way to the node; what it throws is said and tried again. */
  readonly openApi: () => Promise<OwnNodeApi>;
  readonly clock: Clock;
  readonly log: Log;
}

/** What of a node's metadata is followed. */
export interface MetaPick<T> {
  readonly part: MetaPart;
  /** What is said when it is followed, and how a sentence begins that says why it is not. */
  readonly says: { readonly works: string; readonly subject: string };
  readonly pick: (meta: NodeMeta) => T;
  /** Also said with each line. */
  readonly fields: Readonly<Record<string, string>>;
}

/** A watch that ends sooner is as good as none: what it lacks is not tried ever more. */
const shortMs = 5000;
const backoff = { firstMs: 500, maxMs: 30_000 };

/**
 * Keeps `state` as a part of the node's metadata is. What was known stays when the API server cannot be asked. Ends with the signal and never fails:
 * what goes wrong is said once, and tried again later and later.
 */
export async function followNode<T>(
  state: Latest<Followed<T>>,
  { part, says, pick, fields }: MetaPick<T>,
  deps: FollowNodeDeps,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, nodeName } = deps;
  // Whoever may list and not watch reads the label all the same, only late: that is one problem, not two states by turns.
  let mayWatch = true;
  const see = (meta: NodeMeta): void => {
    if (mayWatch) say('works');
    const next = { value: pick(meta), problem: mayWatch ? null : state.value.problem };
    if (!isDeepStrictEqual(next, state.value)) state.set(next);
  };
  const say = onceEach((text) => {
    const where = { node: nodeName, ...fields };
    if (text === 'works') log.info(where, says.works);
    else log.warn(where, `${says.subject} ${text}`);
  });
  let failures = 0;
  try {
    while (!signal.aborted) {
      const startedMs = clock.now();
      const { problem, from } = await followOnce(part, see, deps, signal);
      if (signal.aborted) return;
      if (from === 'watch') mayWatch = problem?.kind !== 'refused';
      if (problem !== null) {
        const told = toFollowProblem(problem, from);
        say(describeFollowProblem(told));
        if (!isDeepStrictEqual(told, state.value.problem)) state.set({ ...state.value, problem: told });
      }
      failures = problem === null && clock.now() - startedMs >= shortMs ? 0 : failures + 1;
      if (failures === 0) continue;
      await clock.sleep(Math.max(backoffMs(backoff, failures), problem?.retryAfterMs ?? 0), signal);
    }
  } catch (thrown) {
    if (!signal.aborted || !isAbort(thrown)) throw thrown;
  }
}

function toFollowProblem({ kind, message }: ApiProblem, from: Round['from']): FollowProblem {
  return { kind: from === 'watch' && kind === 'refused' ? 'unwatched' : 'unread', message };
}

/** For a person, after the name of what is followed. */
export function describeFollowProblem({ kind, message }: FollowProblem): string {
  switch (kind) {
    case 'unread':
      return `cannot be read, trying on: ${message}`;
    case 'unwatched':
      return `is read again and again, so that an edit counts up to ${backoff.maxMs / 1000} s late: ${message}`;
  }
}

interface Round {
  readonly problem: ApiProblem | null;
  /** How far it came. */
  readonly from: 'list' | 'watch';
}

/** Reads it and hears of their changes for as long as one watch lasts. */
async function followOnce(
  part: MetaPart,
  see: (meta: NodeMeta) => void,
  deps: FollowNodeDeps,
  signal: AbortSignal,
): Promise<Round> {
  const opened = await openApi(deps.openApi);
  if (!opened.ok) return { from: 'list', problem: opened.problem };
  await using api = opened.value;
  const read = await api.readMeta(part, signal);
  if (!read.ok) return { from: 'list', problem: read.problem };
  if (signal.aborted) return { from: 'list', problem: null };
  see(read.value.meta);
  // Awaited here, because the connections are let go at the end of this scope.
  return { from: 'watch', problem: await api.watchMeta(part, read.value.version, see, signal) };
}
