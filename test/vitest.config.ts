import { defineConfig } from 'vitest/config';

/** Unit tests need nothing but Node; contract tests start the real agent as a process,
 * cluster tests a Kubernetes node. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          testTimeout: 30_000,
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
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          globalSetup: ['test/cluster/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
          // A worker has a cluster of its own; where one runs already it is the only one.
          maxWorkers: (process.env['CLUSTER_STATE'] ?? '') === '' ? 2 : 1,
        },
      },
    ],
  },
});
