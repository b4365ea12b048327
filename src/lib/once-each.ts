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
