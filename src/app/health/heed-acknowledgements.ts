import { isCondemned } from '../../health/verdict.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { readAcknowledgements, removeAcknowledgement } from '../../state/acknowledgements.ts';
import type { Word } from '../../state/words.ts';
import { heedWords } from '../heed-words.ts';
import type { Node } from '../node.ts';

const lookEveryMs = 1000;

interface HeedAcknowledgementsDeps {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is known after an admin's word has to be written down before the word is taken away. */
interface Keeper {
  save(counts: 'now' | 'soon'): Promise<boolean>;
}

/** Looks, while something is held against a GPU, for what an admin says of it with `slicewise health ack`. */
export async function heedAcknowledgements(
  { health }: Pick<Node, 'health'>,
  keeper: Keeper,
  { stateDir, clock, log }: HeedAcknowledgementsDeps,
  signal: AbortSignal,
): Promise<void> {
  await heedWords<Word>(
    {
      async untilNextLook(hasUnkept) {
        await health.verdicts.until(({ gpus }) => hasUnkept || [...gpus.values()].some(isCondemned), signal);
        await clock.sleep(lookEveryMs, signal);
      },
      read: async () => readAcknowledgements(stateDir),
      heed(word, isHeeded) {
        const refusal = heed(health, word, isHeeded);
        if (refusal === null && !isHeeded) log.info({ gpu: word.gpu }, 'an admin lets the GPU be used again');
        return refusal;
      },
      save: async () => keeper.save('now'),
      remove: async (gpu) => removeAcknowledgement(stateDir, gpu),
      refused: (gpu) => `the word of an admin on ${gpu} does not count`,
      unread: 'what an admin says of GPUs that are out cannot be read',
    },
    log,
    signal,
  );
}

/** As in `WordsToHeed`. */
function heed(health: Node['health'], { gpu, keys }: Word, isHeeded: boolean): string | null {
  if ('unreadable' in keys) return `what was said cannot be read: ${keys.unreadable}`;
  const verdict = health.verdicts.value.gpus.get(gpu);
  if (verdict === undefined || !isCondemned(verdict))
    return isHeeded ? null : 'nothing is held against it that an admin has to speak to';
  const others = verdict.findings.filter(
    ({ key, effect, kind }) => effect === 'unhealthy' && kind !== 'lost' && !keys.has(key),
  );
  if (others.length > 0)
    return `there is more by now (${others.map(({ what }) => what).join('; ')}); look again with 'slicewise health', and say it again`;
  health.learn({ kind: 'acknowledged', gpu, keys });
  return null;
}
