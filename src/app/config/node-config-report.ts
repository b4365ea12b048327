import type { EventQueue } from '../../cluster/event-queue.ts';
import type { LabelState } from '../../cluster/follow-label.ts';
import { describeFollowProblem } from '../../cluster/follow-node.ts';
import type { ClusterEvent } from '../../cluster/node-api.ts';
import type { PickedConfig } from '../../config/read-picked.ts';
import { printable } from '../../config/printable.ts';
import type { Latest } from '../../lib/latest.ts';
import type { PerNodeConfig } from './per-node-config.ts';
import type { TakeConfigDeps } from './take-config.ts';

type Picked = PickedConfig['picked'];

/** Says which config is this node's and why another one is not: in the log, at /readyz, as a metric and as Events. */
export class NodeConfigReport {
  readonly #perNode: PerNodeConfig;
  readonly #label: Latest<LabelState>;
  readonly #events: EventQueue;
  readonly #deps: TakeConfigDeps;
  #inForce: string | null = null;
  #problems: readonly string[] = [];

  constructor(perNode: PerNodeConfig, label: Latest<LabelState>, events: EventQueue, deps: TakeConfigDeps) {
    this.#perNode = perNode;
    this.#label = label;
    this.#events = events;
    this.#deps = deps;
  }

  /** No config is picked yet, because the label is waited for. */
  waiting(): void {
    const { label, nodeName } = this.#perNode;
    this.#problems = [`waiting for the label ${label} of node ${nodeName}`];
    this.publish();
  }

  /**
   * A config is in force now, or is not because of the problems.
   * @param picked `null` when none could be picked or read
   */
  taken(picked: Picked | null, problems: readonly string[], consequence: string): void {
    const { log, metrics } = this.#deps;
    this.#problems = problems;
    if (picked !== null && problems.length === 0) {
      const inForce = this.#describe(picked);
      metrics.configInForce(picked.kind === 'file' ? picked.name : '');
      log.info({ folder: this.#perNode.folder }, inForce);
      this.#inForce = inForce;
      this.#tell({ type: 'Normal', reason: 'ConfigApplied', message: inForce });
    } else {
      const what =
        picked?.kind === 'file' ? `config ${printable(picked.name)} is refused` : 'no config is taken';
      const message = `${what}, ${consequence}: ${this.#withLabel(problems).join('; ')}`;
      this.#tell({ type: 'Warning', reason: 'ConfigRefused', message });
    }
    this.publish();
  }

  /** Says at /readyz what is so now. */
  publish(): void {
    const { probe } = this.#deps;
    const problems = this.#withLabel(this.#problems);
    probe.configProblem(this.#problems.length === 0 ? null : problems.join('\n'));
    probe.configNotes(this.#inForce === null ? [] : [this.#inForce, ...this.#labelTrouble()]);
  }

  #tell(event: Omit<ClusterEvent, 'about'>): void {
    this.#events.put({ ...event, about: { kind: 'node' }, topic: 'config' });
  }

  #withLabel(problems: readonly string[]): readonly string[] {
    return [...problems, ...this.#labelTrouble()];
  }

  #labelTrouble(): readonly string[] {
    const { problem, value } = this.#label.value;
    if (problem === null) return [];
    const { label } = this.#perNode;
    if (problem.kind === 'unwatched') return [`the label ${label} ${describeFollowProblem(problem)}`];
    const known = value === undefined ? '' : ', and what it said last counts';
    return [`the label ${label} cannot be read${known}: ${problem.message}`];
  }

  #describe(picked: Picked): string {
    if (picked.kind === 'empty')
      return 'no config file is in force, but all defaults (fallback strategy empty)';
    return `config ${printable(picked.name)} is in force: ${this.#reason(picked.why)}`;
  }

  #reason(why: Extract<Picked, { readonly kind: 'file' }>['why']): string {
    const { label } = this.#perNode;
    const unlabelled =
      label === null
        ? 'no label is read'
        : this.#label.value.value === undefined
          ? `the node's label ${label} is not known`
          : `the node has no label ${label}`;
    switch (why) {
      case 'label':
        return `the node's label ${label} names it`;
      case 'default':
        return `${unlabelled}, and it is the default`;
      case 'named':
        return `${unlabelled}, and it has the name of the default (fallback strategy named)`;
      case 'single':
        return `${unlabelled}, and it is the only one (fallback strategy single)`;
    }
  }
}
