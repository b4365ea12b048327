import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { chart } from './support/helm.ts';
import { agentPod, installChart } from './support/installed-chart.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuPod } from './support/pod-spec.ts';
import { restartsOf } from './support/pods.ts';

const mib = 1024 * 1024;

/** Run in the agent's container: what of its cgroup's memory the kernel cannot take back at once, in bytes; both versions of cgroups. */
const look = `
const { readFileSync, existsSync } = require('node:fs');
const v2 = existsSync('/sys/fs/cgroup/memory.stat');
const text = readFileSync(v2 ? '/sys/fs/cgroup/memory.stat' : '/sys/fs/cgroup/memory/memory.stat', 'utf8');
const of = (name) => Number(new RegExp('^' + name + ' (\\\\d+)$', 'm').exec(text)[1]);
console.log(v2 ? of('anon') + of('active_file') : of('total_rss') + of('total_active_file'));
`;

async function memoryInUse(node: ClusterNode): Promise<number> {
  const { stdout } = await node.pods.execProgram(
    await agentPod(node),
    ['/usr/bin/node', '-e', look],
    'agent',
  );
  // The program that looks is in the cgroup as well.
  return Number(stdout) / mib;
}

async function readAllowed(): Promise<{ readonly request: number; readonly limit: number }> {
  const values = parse(await readFile(join(chart, 'values.yaml'), 'utf8')) as {
    readonly resources: Readonly<Record<'requests' | 'limits', { readonly memory: string }>>;
  };
  const { requests, limits } = values.resources;
  return { request: Number.parseInt(requests.memory, 10), limit: Number.parseInt(limits.memory, 10) };
}

const shared = `
version: v1
sharing:
  timeSlicing:
    resources: [{ name: nvidia.com/gpu, replicas: 2500 }]
`;

onCluster("the chart's memory request and limit", () => {
  test(
    '8 GPUs and their memory are within the request, 20,000 devices within the limit',
    { timeout: 180_000 },
    async () => {
      const { request, limit } = await readAllowed();
      const seen: Record<string, number> = {};
      for (const [name, values, devices] of [
        ['8 GPUs', {}, 8],
        ['20,000 devices', { config: { map: { default: shared }, nodeLabel: '' } }, 20_000],
      ] as const) {
        await using node = await openClusterNode({ gpus: 8 });
        await using _ = await installChart(node, values);
        await node.waitForAmount({ capacity: devices, allocatable: devices });
        for (const pod of ['a', 'b', 'c']) await node.pods.run(gpuPod(pod, 1));
        seen[name] = await memoryInUse(node);
        expect(restartsOf(await node.pods.read(await agentPod(node)), 'agent')).toBe(0);
      }
      const shown = Object.entries(seen).map(([name, used]) => `${name} ${used.toFixed(0)} MiB`);
      process.stdout.write(
        `memory of the agent's container: ${shown.join(', ')}; request ${request}, limit ${limit}\n`,
      );
      expect(seen['8 GPUs']).toBeLessThan(request);
      expect(seen['20,000 devices']).toBeLessThan(limit);
    },
  );
});
