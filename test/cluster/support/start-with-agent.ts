import type { AgentProcess } from '../../../src/simulator/agent-process.ts';
import type { ClusterNode } from './cluster-node.ts';
import { waitFor } from './wait.ts';
import { gpuResource } from './pod-spec.ts';

/**
 * Starts the kubelet and lets it know of no pod until the agent has registered: one that it admits before is refused, and on a busy
 * machine that is a matter of luck. Resolves as the kubelet's own `start` does.
 */
export async function startWithAgent(
  node: ClusterNode,
  agent: AgentProcess,
  ofResource = gpuResource,
): Promise<number> {
  const registrations = (): number =>
    agent.log.filter(({ msg, resource }) => resource === ofResource && msg.startsWith('registered')).length;
  const before = registrations();
  await signalPrograms(node, 'kube-apiserver', 'STOP');
  try {
    const startedMs = await node.kubelet.start();
    const ask = (): Promise<number> => Promise.resolve(registrations());
    await waitFor('the agent has registered', ask, (count) => count > before);
    return startedMs;
  } finally {
    await signalPrograms(node, 'kube-apiserver', 'CONT');
  }
}

/** Sends a signal to the programs on the node whose command line holds a text: those that this machine starts only stand for them. */
export async function signalPrograms(
  { cluster }: ClusterNode,
  text: string,
  signal: 'STOP' | 'CONT',
): Promise<void> {
  // The brackets keep the shell and grep from finding themselves.
  const pattern = `${text.slice(0, -1)}[${text.slice(-1)}]`;
  const script = `cd /proc; for pid in [0-9]*; do grep -qse '${pattern}' $pid/cmdline && kill -${signal} $pid; done; true`;
  const { code, stderr } = await cluster.supervisor.run(['sh', '-c', script]);
  if (code !== 0) throw new Error(stderr);
}
