import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ConditionMark } from '../../cluster/condition-mark.ts';
import { EventQueue } from '../../cluster/event-queue.ts';
import type { GpuHealth } from '../../cluster/gpu-health.ts';
import { describeCondition, type HealthCondition } from '../../cluster/health-condition.ts';
import { wantsTaint } from '../../cluster/health-taint.ts';
import { keepMark, type KeepMarkDeps } from '../../cluster/keep-mark.ts';
import type { NodeMark } from '../../cluster/node-mark.ts';
import { TaintMark } from '../../cluster/taint-mark.ts';
import { tellEvents } from '../../cluster/tell-events.ts';
import { untilAborted } from '../../lib/abort.ts';
import type { Clock } from '../../lib/clock.ts';
import { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../metrics/collect.ts';
import { tellBootText } from '../../state/boot-id.ts';
import { gpuHealthOf } from './gpu-health-of.ts';
import { removeMark } from '../leave-node.ts';
import { heedAnnotations } from './heed-annotations.ts';
import type { Node } from '../node.ts';
import { nodeApiOpener } from '../node-api-opener.ts';
import { putHealthEvents } from './put-health-events.ts';
import { runTogether, type Task } from '../supervise.ts';
import type { TellingSettings } from './telling-settings.ts';

export interface TellHealthDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'healthWrite'>;
  /** The settings as they are now: after an edit, the new ones. */
  readonly settingsNow: () => TellingSettings | null;
}

/**
 * Tells the cluster how the node's GPUs are, while this agent serves the node: by the node's condition, its taint and Events. Ends with the
 * signal and never fails.
 */
export async function tellHealth(
  node: Node,
  settings: TellingSettings,
  deps: TellHealthDeps,
  signal: AbortSignal,
): Promise<void> {
  const { nodeName, kubeconfig, procfsRoot } = settings;
  const openApi = nodeApiOpener({ nodeName, kubeconfig });
  const bootId = await tellBootText(procfsRoot);
  const gpus = new Latest<readonly GpuHealth[]>([]);
  const condition = new Latest<HealthCondition | null>(null);
  const taint = new Latest<boolean | null>(null);
  const tasks: Task[] = [
    (until) => followGpus(node, gpus, settings, until),
    (until) =>
      gpus.each((now) => {
        const isEmptied = now.length === 0 && condition.value !== null && node.knowsHealth.value;
        setIfOther(condition, isEmptied ? noGpus : describeCondition(now));
        setIfOther(taint, wantsTaint(now));
      }, until),
  ];
  const at = { nodeName, openApi, bootId };
  const observe =
    (what: Parameters<Metrics['healthWrite']>[0]) =>
    (result: 'written' | 'failed'): void =>
      deps.metrics.healthWrite(what, result);
  if (settings.condition) {
    const mark = new ConditionMark(at);
    const onShown = (shown: HealthCondition | null): void =>
      node.wellCondition.set(shown?.status === 'False' ? mark : null);
    const isWanted = (): boolean => atSameNode(settings, deps.settingsNow())?.condition === true;
    const own = { ...deps, nodeName, onShown, isWanted, observe: observe('condition') };
    tasks.push((until) => keepOwn(condition, mark, own, until));
  }
  if (settings.taint) {
    // A taint stays at the agent's end: while it is away nothing is known to be better.
    const onShown = (): void => undefined;
    const isWanted = (): boolean => atSameNode(settings, deps.settingsNow())?.taint === true;
    const own = { ...deps, nodeName, onShown, isWanted, observe: observe('taint') };
    tasks.push((until) => keepOwn(taint, new TaintMark(at), own, until));
  }
  const queue = settings.events ? new EventQueue() : null;
  if (queue !== null) {
    const where = {
      kubeletFolder: dirname(settings.kubeletSocket),
      podResourcesSocket: settings.podResourcesSocket,
    };
    tasks.push(
      (until) => putHealthEvents(gpus, queue, node, { ...deps, ...where }, until),
      (until) => tellEvents(queue, { ...deps, openApi, observe: observe('event') }, until),
    );
  }
  if (settings.ackAnnotation) {
    const { stateDir } = settings;
    tasks.push((until) =>
      heedAnnotations(node, gpus, { ...deps, nodeName, stateDir, openApi, queue }, until),
    );
  }
  await runTogether([...tasks, untilAborted], signal);
}

interface KeepOwnDeps<T> extends TellHealthDeps, Pick<KeepMarkDeps<T>, 'observe'> {
  readonly nodeName: string;
  /** Hears what the node shows; `null`: it does not any more. */
  readonly onShown: (shown: T | null) => void;
  /** Whether the settings want it as they are now. */
  readonly isWanted: () => boolean;
}

/** Keeps a mark, and takes it away when an edit switches it off; what becomes of it at the agent's own end is decided by `leaveNode`. */
async function keepOwn<T>(
  wanted: Latest<T | null>,
  mark: NodeMark<T>,
  { log, onShown, isWanted, ...deps }: KeepOwnDeps<T>,
  signal: AbortSignal,
): Promise<void> {
  let isWritten = false;
  const onWritten = (shown: T): void => {
    isWritten = true;
    onShown(shown);
  };
  await keepMark(wanted, mark, { ...deps, log, onWritten }, signal);
  if (isWritten && !isWanted()) {
    onShown(null);
    await removeMark(mark, log);
  }
  // Whoever uses it after this opens its way anew.
  await mark[Symbol.asyncDispose]();
}

/** `null` when it is another node by now. */
function atSameNode(before: TellingSettings, now: TellingSettings | null): TellingSettings | null {
  return now?.nodeName === before.nodeName ? now : null;
}

/** What takes the place of what was said of GPUs that are no longer there. */
const noGpus: HealthCondition = { status: 'False', reason: 'NoGPUs', message: 'the driver shows no GPU' };

/** How the GPUs are, while this agent serves; nothing is known while another one does. */
async function followGpus(
  node: Node,
  gpus: Latest<readonly GpuHealth[]>,
  { migStrategy }: Pick<TellingSettings, 'migStrategy'>,
  signal: AbortSignal,
): Promise<void> {
  const look = (): void => {
    const { inventory, knowsHealth, health } = node;
    const isKnown = knowsHealth.value && inventory.value.reading !== null;
    setIfOther(gpus, isKnown ? gpuHealthOf(health.verdicts.value, { ...inventory.value, migStrategy }) : []);
  };
  await runTogether(
    [
      (until) => node.knowsHealth.each(look, until),
      (until) => node.inventory.each(look, until),
      (until) => node.health.verdicts.each(look, until),
    ],
    signal,
  );
}

function setIfOther<T>(latest: Latest<T>, value: T): void {
  if (!isDeepStrictEqual(value, latest.value)) latest.set(value);
}
