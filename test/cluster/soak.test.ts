import { expect, test } from 'vitest';
import { soakGpu } from './soak/gpus-of-soak.ts';
import { reportSoak } from './soak/report.ts';
import { soak } from './soak/soak.ts';
import { openClusterNode } from './support/cluster-node.ts';
import { onCluster } from './support/on-cluster.ts';

/** About a minute of steps; a soak that runs longer is `npm run soak`. */
const seconds = 60;
const seed = Number(process.env['SOAK_SEED'] ?? 1);

onCluster('a soak', () => {
  test(`of ${seconds} s with seed ${seed}: nothing is booked twice, nothing ends by itself, all comes back`, async () => {
    await using node = await openClusterNode({ gpus: 8, gpu: soakGpu });
    const lines: string[] = [];
    const result = await soak(node, {
      seed,
      steps: Number.POSITIVE_INFINITY,
      durationMs: seconds * 1000,
      log: (line) => lines.push(line),
      progress: () => undefined,
      keepAgentLogs: (logs) => {
        lines.push(
          ...logs
            .flat()
            .slice(-20)
            .map((line) => JSON.stringify(line)),
        );
        return Promise.resolve();
      },
    });
    process.stderr.write(reportSoak(result));
    if (result.violations.length > 0) process.stderr.write(`${lines.join('\n')}\n`);
    const violations = result.violations.map(({ rule, detail }) => `${rule}: ${detail}`);
    expect(violations.filter((each) => each.includes('booked twice')).join('\n')).toBe('');
    expect(violations).toEqual([]);
    expect(result.pods.admitted).toBeGreaterThan(0);
    expect(result.checks.withPodResources).toBeGreaterThan(0);
  }, 300_000);
});
