import { expect, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';
import { gpuPod } from './support/pod-spec.ts';
import { doubleUses, type PodFate, streamPods } from './support/pod-stream.ts';
import { keepReplacing } from './support/rolling-agents.ts';

const kinds = [
  { signal: 'SIGTERM', pods: 60, mayFail: 1 },
  // How many fail when the agent is killed each time is for information: the kubelet refuses whatever comes meanwhile.
  { signal: 'SIGKILL', pods: 30, mayFail: 30 },
] as const;

onCluster('an agent that is replaced again and again', () => {
  test.for(kinds)(
    'by $signal: of $pods new pods, one a second, at most $mayFail fail, and no GPU is booked twice',
    { timeout: 300_000 },
    async ({ signal, pods, mayFail }, { annotate }) => {
      await using node = await openClusterNode({ gpus: 8 });
      const first = await node.startServingAgent();
      await node.pods.run(gpuPod('keeper', 1));
      const kept = await node.pods.gpusSeenBy('keeper');

      const agents = keepReplacing(node, first, signal);
      const fates = await streamPods(node, pods);
      const changes = await agents.stop();

      const failed = fates.flatMap((fate) => (fate.kind === 'failed' ? [fate] : []));
      const text = `${signal}: ${failed.length} of ${pods} pods failed in ${changes} changes of the agent`;
      process.stdout.write(`${[text, ...tally(failed)].join('\n  ')}\n`);
      await annotate([text, ...tally(failed)].join('; '));

      expect(doubleUses(fates), 'booked twice').toEqual([]);
      expect(changes).toBeGreaterThan(5);
      const uses = fates.flatMap((fate) => (fate.kind === 'ran' ? [fate.use] : []));
      for (const { gpu } of uses) expect(node.gpus.ids.filter((id) => !kept.includes(id))).toContain(gpu);
      const witnessed = uses.filter(({ given }) => given !== null);
      expect(witnessed.map(({ given }) => given)).toEqual(witnessed.map(({ gpu }) => [gpu]));
      expect(witnessed.length).toBeGreaterThan(0);
      expect(await node.holdings()).toEqual({ 'keeper/main': kept });
      await node.waitUntilAllUsable();
      expect(failed.length).toBeLessThanOrEqual(mayFail);
    },
  );
});

/** Each reason and how often it was given. */
function tally(failed: readonly (PodFate & { readonly kind: 'failed' })[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { reason } of failed) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].map(([reason, count]) => `${count} × ${reason}`);
}
