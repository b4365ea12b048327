import { type LabelState, followLabel } from '../../cluster/follow-label.ts';
import { EventQueue } from '../../cluster/event-queue.ts';
import { tellEvents } from '../../cluster/tell-events.ts';
import type { PickInputs } from '../../config/pick-config.ts';
import { watchPickedConfig } from '../../config/watch.ts';
import { Latest } from '../../lib/latest.ts';
import { untilOrPause } from '../../lib/until-or-pause.ts';
import { nodeApiOpener } from '../node-api-opener.ts';
import { NodeConfigReport } from './node-config-report.ts';
import type { PerNodeConfig } from './per-node-config.ts';
import { recallLabel, rememberLabel } from './remember-label.ts';
import { runTogether, type Task } from '../supervise.ts';
import type { ConfigTaker, TakeConfigDeps } from './take-config.ts';

/** How long the label is waited for before the agent goes by what it said last, or else by the default. */
const labelWaitMs = 5000;

/**
 * Keeps the config in force that the node's label picks, and tells about it. What the label said last, be it to an earlier agent, counts
 * while the API server cannot be asked. Ends with the signal.
 */
export async function followNodeConfig(
  perNode: PerNodeConfig,
  taker: ConfigTaker,
  deps: TakeConfigDeps,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = deps;
  const { folder, label: name } = perNode;
  const label = new Latest<LabelState>({ value: name === null ? null : undefined, problem: null });
  const events = new EventQueue();
  const report = new NodeConfigReport(perNode, label, events, deps);
  const remembered = name === null ? null : { ...perNode, label: name };
  const kept = remembered === null ? undefined : await recallLabel(remembered, deps.log);
  const follow: Task = async (until) => {
    report.waiting();
    await untilOrPause(label, ({ value }) => value !== undefined, labelWaitMs, clock, until);
    if (label.value.value === undefined && kept !== undefined) label.set({ ...label.value, value: kept });
    const rule = new Latest(ruleOf(perNode, label.value));
    await runTogether(
      [
        (stop) =>
          label.each((state) => {
            if ((state.value ?? null) !== rule.value.label) rule.set(ruleOf(perNode, state));
            report.publish();
          }, stop),
        async (stop) => {
          for await (const seen of watchPickedConfig(folder, rule, deps, stop)) {
            const path = 'error' in seen ? folder : seen.path;
            const problems = await taker.take(seen, { path, isOfThisNode: true });
            report.taken('error' in seen ? null : seen.picked, problems, taker.consequence);
          }
        },
      ],
      until,
    );
  };
  const others =
    remembered === null
      ? []
      : [
          ...atTheApi(remembered, label, events, deps),
          (until: AbortSignal) => rememberLabel(label, remembered, kept, deps.log, until),
        ];
  await runTogether([follow, ...others], signal);
}

/** What is asked of the API server, and told there. */
function atTheApi(
  { nodeName, kubeconfig, label }: PerNodeConfig & { readonly label: string },
  state: Latest<LabelState>,
  events: EventQueue,
  deps: TakeConfigDeps,
): readonly Task[] {
  const openApi = nodeApiOpener({ nodeName, kubeconfig });
  return [
    (until) => followLabel(state, { ...deps, nodeName, label, openApi }, until),
    (until) => tellEvents(events, { ...deps, openApi, observe: () => undefined }, until),
  ];
}

function ruleOf(
  { defaultConfig, fallbacks }: PerNodeConfig,
  { value }: LabelState,
): Omit<PickInputs, 'names'> {
  return { label: value ?? null, defaultConfig, fallbacks };
}
