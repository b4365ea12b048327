import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** Says a text when it differs from the one said before. */
export function onceEach(say: (text: string) => void): (text: string) => void {
  let said = '';
  return (text) => {
    if (text !== said) say(text);
    said = text;
  };
}

/** Warns of each trouble once, until it is another one; the empty text means that there is none. */
export function warnOnceEach(log: Log): (trouble: string) => void {
  return onceEach((trouble) => {
    if (trouble !== '') log.warn(trouble);
  });
}

/** Says each of different texts at most once in a while, and in that time no more than so many. */
export function rarelyEach(
  say: (text: string) => void,
  clock: Pick<Clock, 'now'>,
  { everyMs, most }: { readonly everyMs: number; readonly most: number },
): (text: string) => void {
  const saidMs = new Map<string, number>();
  return (text) => {
    const nowMs = clock.now();
    for (const [each, atMs] of saidMs) if (nowMs - atMs >= everyMs) saidMs.delete(each);
    if (saidMs.has(text) || saidMs.size >= most) return;
    saidMs.set(text, nowMs);
    say(text);
  };
}
