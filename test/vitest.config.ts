import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './longest-first.ts';

/** Unit tests need nothing but Node; contract tests start the real agent as a process,
 * cluster tests a Kubernetes node. */
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          testTimeout: 30_000,
          // By default there is one less than there are cores, and half of the time it waits.
          maxWorkers: Math.max(3, availableParallelism() - 1),
          exclude: ['test/contract/**', 'test/cluster/**', 'test/hardware/**'],
        },
      },
      {
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          globalSetup: ['test/contract/global-setup.ts'],
          testTimeout: 180_000,
          hookTimeout: 60_000,
          maxWorkers: 4,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          globalSetup: ['test/cluster/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 2 },
          // A machine that stands still for a second makes a kubelet late; a second try is told at the end. There is none where an assertion
          // that nothing is booked twice fails: it says so, and comes before the others.
          retry: { count: 1, condition: /^(?!.*(booked twice|suppressed during disposal))/s },
          // Kubernetes' client takes a second to load; nothing of a test stays in a module.
          isolate: false,
          // A worker has a cluster of its own; where one runs already it is the only one.
          maxWorkers: (process.env['CLUSTER_STATE'] ?? '') === '' ? 3 : 1,
        },
      },
    ],
  },
});
