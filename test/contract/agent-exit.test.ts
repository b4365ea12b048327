import { mkdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { tryServingLock } from '../../src/kubelet/lock.ts';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import {
  openKubeletNode,
  patienceMs,
  type KubeletNode,
  type KubeletNodeOptions,
} from './support/kubelet-node.ts';

interface State {
  readonly name: string;
  readonly node?: KubeletNodeOptions;
  /** Starts the agent that is to end, and resolves when it is in the state. */
  readonly reach: (node: KubeletNode) => Promise<AgentProcess>;
  /** Another agent goes on serving. */
  readonly keepsLock?: boolean;
}

const hanging = { timeline: [{ at: '0s', do: 'hang-driver' }] };

const states: readonly State[] = [
  { name: 'serving', reach: (node) => node.startServingAgent() },
  {
    name: 'serving two pods',
    async reach(node) {
      const agent = await node.startServingAgent();
      await node.admit('one', 1);
      await node.admit('two', 2);
      return agent;
    },
  },
  {
    name: 'standing by',
    async reach(node) {
      await node.startServingAgent();
      return node.startStandby();
    },
    keepsLock: true,
  },
  {
    name: 'waiting for the folder',
    node: { kubeletDown: true },
    async reach(node) {
      const agent = node.startAgent();
      await agent.waitForLog(({ msg }) => msg.startsWith("waiting for the kubelet's folder"));
      return agent;
    },
  },
  {
    name: 'waiting for the kubelet',
    node: { kubeletDown: true },
    async reach(node) {
      await mkdir(node.kubelet.devicePluginFolder, { recursive: true });
      const agent = node.startAgent();
      await agent.waitForLog(({ msg }) => msg.startsWith('waiting for a kubelet'));
      return agent;
    },
  },
  {
    name: 'registering with a kubelet that never answers',
    async reach(node) {
      node.kubelet.faults.answerRegister = 'never';
      const agent = node.startAgent();
      await node.kubelet.waitForEvent('registering', { deadlineMs: patienceMs });
      return agent;
    },
  },
  {
    name: 'pausing after a refusal',
    async reach(node) {
      node.kubelet.faults.refuseRegistrations(1000, 'no');
      const agent = node.startAgent();
      await agent.waitForLog(({ msg }) => msg.startsWith('not registered, trying on'));
      return agent;
    },
  },
  {
    name: 'with a driver that hangs from the start',
    node: { gpus: { gpus: [{ model: 't4' }], ...hanging } },
    async reach(node) {
      const agent = node.startAgent();
      await agent.waitForLog(({ msg }) => msg === 'slicewise agent starts');
      return agent;
    },
  },
  {
    name: 'serving, with a driver that has begun to hang',
    async reach(node) {
      const agent = await node.startServingAgent();
      await node.writeScenario({ gpus: [{ model: 't4', count: 4 }], ...hanging });
      await agent.waitForLog(({ msg }) => msg === 'driver event');
      return agent;
    },
  },
];

/** Far below the deadlines of what an agent may be waiting for (15 s for Register, 10 s and more for a driver). */
const promptMs = 3000;

describe.concurrent.for(states.map((state) => [state.name, state] as const))('an agent %s', ([, state]) => {
  const { node: options, reach, keepsLock = false } = state;
  it.for(['SIGTERM', 'SIGINT'] as const)(
    'ends on %s with code 0, its socket gone and the lock free',
    async (signal) => {
      await using node = await openKubeletNode(options);
      const agent = await reach(node);
      const toldAt = performance.now();
      agent.signal(signal);
      const exit = await agent.exit;
      const tookMs = performance.now() - toldAt;
      expect(exit).toEqual({ code: 0, signal: null });
      expect(tookMs, 'milliseconds to the exit').toBeLessThan(promptMs);
      expect(agent.log.at(-1)?.msg).toBe('slicewise agent ends');
      expect(agent.log.filter(({ level }) => level === 'error' || level === 'text')).toEqual([]);
      if (keepsLock) return;
      await mkdir(node.kubelet.devicePluginFolder, { recursive: true });
      expect(await node.agentSockets()).toEqual([]);
      using lock = tryServingLock(node.kubelet.devicePluginFolder);
      expect(lock?.predecessorCrashed).toBe(false);
    },
  );
});
