import type { Labels } from '../../labels/label-text.ts';
import { OperatorError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { LabelPlace } from './label-settings.ts';
import { openLabelSink } from './open-label-sink.ts';

/**
 * Writes the labels once, and leaves them there: nobody follows the GPUs.
 * @throws OperatorError `not-labelled` with what failed, and what to do
 */
export async function labelOnce(
  place: LabelPlace,
  labels: Labels,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  await using sink = await openLabelSink(place, log);
  const result = await sink.write(labels, signal);
  if (!result.ok) throw new OperatorError('not-labelled', result.problem);
}
