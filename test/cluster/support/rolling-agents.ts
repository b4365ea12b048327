import type { AgentProcess } from '../../../src/simulator/agent-process.ts';
import type { ClusterNode } from './cluster-node.ts';
import { patienceMs } from './wait.ts';
import { ofGpus } from './log-lines.ts';

/** The agent of a node while it is replaced again and again. */
export interface RollingAgents {
  /** Lets the change that is under way come to its end, and no further one begin. Resolves with how many there were. */
  stop(): Promise<number>;
}

/**
 * Replaces the agent as a DaemonSet with `maxSurge: 1` and `maxUnavailable: 0` does, one change after the other: a new one is
 * started, and the old one is told to end when the new one is ready.
 */
export function keepReplacing(
  node: ClusterNode,
  first: AgentProcess,
  signal: 'SIGTERM' | 'SIGKILL',
): RollingAgents {
  let stopped = false;
  const replace = async (): Promise<number> => {
    let serving = first;
    for (let changes = 0; ; changes += 1) {
      if (stopped) return changes;
      const next = node.startAgent();
      await untilReady(next);
      await serving.waitForLog(({ msg }) => msg.startsWith('another agent stands by'), patienceMs);
      serving.signal(signal);
      const { code } = await serving.exit;
      if (signal === 'SIGTERM' && code !== 0) {
        throw new Error(`An agent ended with ${String(code)}: ${JSON.stringify(serving.log.slice(-5))}`);
      }
      await next.waitForLog(ofGpus('registered'), patienceMs);
      serving = next;
    }
  };
  const changes = replace();
  changes.catch(() => undefined);
  return {
    stop() {
      stopped = true;
      return changes;
    },
  };
}

/** It stands by and knows the GPUs, which is what its readiness probe says. */
async function untilReady(standby: AgentProcess): Promise<void> {
  await Promise.all([
    standby.waitForLog(({ msg }) => msg.startsWith('standing by'), patienceMs),
    standby.waitForLog(({ msg }) => msg === 'device list changed', patienceMs),
  ]);
}
