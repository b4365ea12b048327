import type { Entry } from './entry.ts';
import type { HoldingsEvent } from './events.ts';
import type { Holdings } from './holdings.ts';
import { isOrphan } from './orphans.ts';

/** That a container was orphaned, or is one no more. */
export type OrphanNews =
  | { readonly kind: 'appeared'; readonly entry: Entry }
  | { readonly kind: 'ended'; readonly entry: Entry; readonly why: OrphanEnd };

/** `found`: the kubelet's books have it again. */
export type OrphanEnd = 'unused' | 'acknowledged' | 'found';

/** What an event has made of orphans, for a person to hear of once. */
export function orphanNews(
  before: Holdings,
  after: Holdings,
  event: HoldingsEvent['kind'],
): readonly OrphanNews[] {
  const orphansOf = ({ entries }: Holdings): Map<number, Entry> =>
    new Map(entries.filter(isOrphan).map((entry) => [entry.sequence, entry]));
  const [known, now] = [orphansOf(before), orphansOf(after)];
  const why = event === 'memory-used' ? 'unused' : event === 'acknowledged' ? 'acknowledged' : 'found';
  return [
    ...[...now].flatMap(([sequence, entry]): readonly OrphanNews[] =>
      known.has(sequence) ? [] : [{ kind: 'appeared', entry }],
    ),
    ...[...known].flatMap(([sequence, entry]): readonly OrphanNews[] =>
      now.has(sequence) ? [] : [{ kind: 'ended', entry, why }],
    ),
  ];
}
