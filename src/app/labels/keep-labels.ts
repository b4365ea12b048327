import { isDeepStrictEqual } from 'node:util';
import type { LabelSink } from '../../cluster/label-sink.ts';
import type { Config } from '../../config/config.ts';
import type { Labels } from '../../labels/label-text.ts';
import { describeLabels } from '../../labels/node-labels.ts';
import type { Clock } from '../../lib/clock.ts';
import { isAbort } from '../../lib/errors.ts';
import { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import { onceEach } from '../../lib/once-each.ts';
import { backoffMs } from '../../lib/retry.ts';
import { untilOrPause } from '../../lib/until-or-pause.ts';
import { labelContent, type LabelPlace } from './label-settings.ts';
import { readMachineType } from './machine-type.ts';
import type { Node } from '../node.ts';
import { openLabelSink } from './open-label-sink.ts';
import { runTogether } from '../supervise.ts';

export interface LabelDeps {
  readonly clock: Clock;
  readonly log: Log;
}

export interface LabelSignals {
  /** Ends the task, for an edit of the place too. */
  readonly stop: AbortSignal;
  /** The agent itself ends. */
  readonly leaving: AbortSignal;
}

const backoff = { firstMs: 500, maxMs: 60_000 };
/** An end must not wait long for a server that does not answer. */
const removeWithinMs = 2000;

/**
 * Lets the place show the node's labels while this agent serves the node, and writes when they change. What goes wrong is said once, and
 * tried again later and later. An edit of the place takes the labels away from it; at the agent's own end `leaveNode` decides.
 */
export async function keepLabels(
  node: Node,
  place: LabelPlace,
  config: Latest<Config>,
  deps: LabelDeps,
  { stop, leaving }: LabelSignals,
): Promise<void> {
  const sink = await openLabelSink(place, deps.log);
  node.labelSink.set(null);
  const wanted = new Latest<Labels | null>(null);
  const labelledSince = Date.now() / 1000;
  try {
    await runTogether(
      [
        (until) => followNode(node, config, labelledSince, wanted, until),
        (until) => keepWriting(node, place, sink, wanted, deps, until),
      ],
      stop,
    );
  } finally {
    if (!leaving.aborted) {
      if (node.labelSink.value !== null) await removeLabels(sink, deps.log);
      node.labelSink.set(null);
      await sink[Symbol.asyncDispose]();
    }
  }
}

/** Never fails: what stays is said. */
export async function removeLabels(sink: LabelSink, log: Log): Promise<void> {
  const result = await sink.remove(AbortSignal.timeout(removeWithinMs));
  if (!result.ok) log.warn(`the labels stay: ${result.problem}`);
}

/** Describes the node anew with each new plan, while this agent serves; no labels are wanted while another one does. */
async function followNode(
  node: Node,
  config: Latest<Config>,
  labelledSince: number,
  wanted: Latest<Labels | null>,
  signal: AbortSignal,
): Promise<void> {
  const changes = new Latest(0);
  const changed = (): void => changes.set(changes.value + 1);
  await runTogether(
    [
      (until) => node.planned.each(changed, until),
      (until) => node.holdsLock.each(changed, until),
      (until) => config.each(changed, until),
      async (until) => {
        for await (const _ of changes.values(until)) {
          const labels = await describeNode(node, labelContent(config.value), labelledSince);
          if (!isDeepStrictEqual(labels, wanted.value)) wanted.set(labels);
        }
      },
    ],
    signal,
  );
}

async function describeNode(
  node: Node,
  { machineTypeFile, timestamp }: ReturnType<typeof labelContent>,
  labelledSince: number,
): Promise<Labels | null> {
  const machine = await readMachineType(machineTypeFile);
  const planned = node.planned.value;
  if (planned === null || !node.holdsLock.value) return null;
  return describeLabels({ ...planned, machine, timestampSeconds: timestamp ? labelledSince : null });
}

async function keepWriting(
  node: Node,
  place: LabelPlace,
  sink: LabelSink,
  wanted: Latest<Labels | null>,
  { clock, log }: LabelDeps,
  signal: AbortSignal,
): Promise<void> {
  const works = 'the node is labelled';
  const say = onceEach((text) => log[text === works ? 'info' : 'warn'](placeFields(place), text));
  let failures = 0;
  try {
    for (;;) {
      const labels = await wanted.until((value) => value !== null, signal);
      node.labelSink.set(sink);
      const result = await sink.write(labels ?? {}, signal);
      if (signal.aborted) return;
      say(result.ok ? works : result.problem);
      failures = result.ok ? 0 : failures + 1;
      const pauseMs = result.ok
        ? result.againMs
        : Math.max(backoffMs(backoff, failures), result.retryAfterMs);
      await untilOrPause(wanted, (value) => value !== labels, pauseMs, clock, signal);
    }
  } catch (thrown) {
    if (!signal.aborted || !isAbort(thrown)) throw thrown;
  }
}

function placeFields(place: LabelPlace): object {
  return place.kind === 'file' ? { file: place.path } : { node: place.nodeName };
}
