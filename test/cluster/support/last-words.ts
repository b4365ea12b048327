import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFailed, TestRunner } from 'vitest';
import type { AgentProcess } from '../../../src/simulator/agent-process.ts';
import type { Cluster } from '../node/cluster.ts';

const mostAgents = 3;
const mostLines = 15;
/** Of volumes, and of the pods' status. */
const ofNoInterest = /reconciler_common|operation_generator|status_manager|startup_latency/;

/**
 * Prints, if the test that runs fails, what its last agents said, and what the kubelet has logged meanwhile of the devices and of the test's
 * pods: on another machine there is no second look.
 */
export async function printLastWords(
  { paths }: Cluster,
  agents: readonly AgentProcess[],
  namespace: string,
): Promise<void> {
  // A node that is opened for several tests belongs to none of them.
  if (TestRunner.getCurrentTest() === undefined) return;
  const kubeletLog = join(paths.log, 'kubelet.log');
  const { size } = await stat(kubeletLog);
  onTestFailed(async () => {
    const said = agents.flatMap(({ pid, log }) => [
      `--- agent ${pid}`,
      ...log.slice(-mostLines).map((line) => JSON.stringify(line)),
    ]);
    const logged = (await readFile(kubeletLog)).subarray(size).toString().split('\n');
    const ofTest = logged.filter(
      (line) => (/device|plugin/i.test(line) || line.includes(namespace)) && !ofNoInterest.test(line),
    );
    const words = [
      ...said.slice(-mostAgents * (mostLines + 1)),
      '--- kubelet',
      ...ofTest.slice(-2 * mostLines),
    ];
    process.stderr.write(`${words.map((line) => line.slice(0, 600)).join('\n')}\n`);
  });
}
