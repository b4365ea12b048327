import type { AgentProcess, LogLine } from '../../../src/simulator/agent-process.ts';
import type { ClusterNode } from '../support/cluster-node.ts';
import { memoryConfig } from '../support/memory-node.ts';
import { patienceMs } from '../support/wait.ts';
import type { Violation } from './observation.ts';
import type { EndSignal } from './plan.ts';

/** The agents of a soak, one after the other, and a watch over them: none may end unless it is told to. */
export class Agents {
  readonly violations: Violation[] = [];
  readonly #node: ClusterNode;
  readonly #args: readonly string[];
  readonly #all: AgentProcess[] = [];
  readonly #told = new Set<AgentProcess>();

  private constructor(node: ClusterNode, args: readonly string[]) {
    this.#node = node;
    this.#args = args;
  }

  /** @param memory what all of them are told of it */
  static async of(node: ClusterNode, memory: object): Promise<Agents> {
    return new Agents(node, [await memoryConfig(node, memory)]);
  }

  /** What each agent has logged, the oldest first. */
  get logs(): readonly (readonly LogLine[])[] {
    return this.#all.map(({ log }) => log);
  }

  start(): AgentProcess {
    const agent = this.#node.startAgent(this.#args);
    this.#all.push(agent);
    void agent.exit.then((exit) => {
      if (this.#told.has(agent)) return;
      const last = JSON.stringify(agent.log.at(-1));
      this.#report('no agent ends by itself', `agent ${this.#all.indexOf(agent)}`, exit, last);
    });
    return agent;
  }

  async startStandby(): Promise<AgentProcess> {
    const agent = this.start();
    await agent.waitForLog(({ msg }) => msg.startsWith('standing by'), patienceMs);
    return agent;
  }

  /** Ends one and waits for its end. */
  async end(agent: AgentProcess, signal: EndSignal): Promise<void> {
    this.#told.add(agent);
    agent.signal(signal);
    const exit = await agent.exit;
    if (signal === 'SIGTERM' && exit.code !== 0)
      this.#report('SIGTERM ends the agent with code 0', `agent ${this.#all.indexOf(agent)}`, exit);
    this.#checkLog(agent);
  }

  /** Notes what the agents that still run have logged; no agent is watched any more. */
  finish(): void {
    for (const agent of this.#all) {
      if (!this.#told.has(agent)) this.#checkLog(agent);
      this.#told.add(agent);
    }
  }

  #checkLog(agent: AgentProcess): void {
    const bad = agent.log.find(({ level }) => level === 'error' || level === 'text');
    if (bad !== undefined) this.#report('no agent logs an error', `agent ${this.#all.indexOf(agent)}`, bad);
  }

  #report(rule: string, who: string, ...seen: readonly unknown[]): void {
    const words = seen.map((each) => (typeof each === 'string' ? each : JSON.stringify(each)));
    this.violations.push({ rule, detail: `${who}: ${words.join(', ')}` });
  }
}

/** Resolves when the agent has registered, now or before. */
export async function hasRegistered(agent: AgentProcess): Promise<void> {
  await agent.waitForLog(({ msg }) => msg.startsWith('registered'), patienceMs);
}
