import { describe, inject } from 'vitest';

/** Tests that are skipped where no cluster can run; the reason was printed when the project started. */
export function onCluster(name: string, tests: () => void): void {
  const missing = inject('clusterState') === null;
  describe.skipIf(missing)(name, () => {
    tests();
  });
}
