import { describeError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { warnOnceEach } from '../lib/once-each.ts';

/** What an admin can say of a GPU, and what comes of it. */
export interface WordsToHeed<Word extends { readonly gpu: string }> {
  /** Resolves when it is time to look again. @param hasUnkept some words have counted and are there still */
  untilNextLook(hasUnkept: boolean): Promise<void>;
  /** @throws Error */
  read(): Promise<readonly Word[]>;
  /**
   * Lets the word count.
   * @param isHeeded it has counted before, and is there only because that could not be written down yet
   * @returns why it does not count; `null` when it does
   */
  heed(word: Word, isHeeded: boolean): string | null;
  /** Writes down what has come of the words; false when that fails. */
  save(): Promise<boolean>;
  /** @throws Error */
  remove(gpu: string): Promise<void>;
  /** Begins the sentence that a word does not count. */
  readonly refused: (gpu: string) => string;
  /** Begins the sentence that the words cannot be read. */
  readonly unread: string;
}

/**
 * Hears what an admin says of GPUs, until the signal. A word stays until what has come of it is written down: a restart of the agent before
 * that would know nothing of it, and hears it again.
 */
export async function heedWords<Word extends { readonly gpu: string }>(
  words: WordsToHeed<Word>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const say = warnOnceEach(log);
  const unkept = new Set<string>();
  while (!signal.aborted) {
    await words.untilNextLook(unkept.size > 0);
    try {
      const said = await words.read();
      for (const gpu of unkept) if (!said.some((word) => word.gpu === gpu)) unkept.delete(gpu);
      for (const word of said) {
        const { gpu } = word;
        const refusal = words.heed(word, unkept.has(gpu));
        if (refusal === null) {
          unkept.add(gpu);
          if (!(await words.save())) continue;
        } else log.warn({ gpu }, `${words.refused(gpu)}: ${refusal}`);
        await words.remove(gpu);
        unkept.delete(gpu);
      }
      say('');
    } catch (thrown) {
      say(`${words.unread}: ${describeError(thrown)}`);
    }
  }
}
