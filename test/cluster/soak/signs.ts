import { endedPhases, type KnownPods } from './observation.ts';
import type { PodHistory } from './pod-watch.ts';

/** What can make a refusal right on a node that nobody disturbs. */
export type Sign =
  /** The pod that the refusal names as the holder was leaving, or had just left; where it names none, any pod. */
  | 'departure'
  /** There were pods with memory: they take GPUs from those who want them whole, sooner than the scheduler learns of it. */
  | 'memory'
  /** The agent may withhold a GPU, and the scheduler learns of it later. */
  | 'withheld';

/** What was there when a pod was refused. */
export interface Surroundings {
  readonly histories: ReadonlyMap<string, PodHistory>;
  readonly known: KnownPods;
  /** When the refused pod was last seen well, on the clock of the histories. */
  readonly wellMs: number;
  readonly withheldGpus: number;
}

/** How long before a refusal a pod may have left: a kubelet that is busy writes late what is free, and the agent waits for it. */
const justMs = 30_000;

/** The signs of what makes a refusal right, for the message of the refusal. */
export function findSigns(message: string, around: Surroundings): ReadonlySet<Sign> {
  const { histories, known, withheldGpus } = around;
  const lately = [...histories].filter(([, { heldMs }]) => heldMs > around.wellMs - justMs);
  const isHolder = holderOf(message);
  const signs: readonly (readonly [Sign, boolean])[] = [
    ['departure', lately.some(([uid, history]) => isHolder(uid, history) && isLeaving(uid, history, known))],
    ['memory', lately.some(([uid]) => known.get(uid)?.shape.containers.some(({ units }) => units > 0))],
    ['withheld', withheldGpus > 0],
  ];
  return new Set(signs.flatMap(([sign, isThere]) => (isThere ? [sign] : [])));
}

/** Whether a pod is the holder that the agent's refusal names, or may be the one that it does not name. */
function holderOf(message: string): (uid: string, history: PodHistory) => boolean {
  const named =
    /is held by container \S+ of (?:the pod with UID (?<uid>\S+?)|pod \S+?\/(?<name>\S+?))\. /.exec(message);
  if (named === null) return () => true;
  const { uid: wantedUid, name: wantedName } = named.groups ?? {};
  return (uid, { last }) => uid === wantedUid || last.name === wantedName;
}

function isLeaving(uid: string, { last, gone, ranMs }: PodHistory, known: KnownPods): boolean {
  if (gone || last.deleting || endedPhases.has(last.phase)) return true;
  // The kubelet knows that it has ended before the API server does.
  return ranMs !== null && (known.get(uid)?.shape.endsAfterMs ?? null) !== null;
}
