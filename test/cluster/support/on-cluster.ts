import { describe, inject } from 'vitest';

/** Tests that are skipped where no cluster can run; the reason was printed when the project started. */
export function onCluster(name: string, tests: () => void): void {
  describe.skipIf(clusterState() === null)(name, () => {
    tests();
  });
}

/** Folder of the cluster that is shared by the files that this worker runs; `null` where none can run. */
export function clusterState(): string | null {
  const states = inject('clusterStates');
  // Vitest counts its workers from 1, and a new one takes the number of one that has ended.
  return states[Number(process.env['VITEST_POOL_ID']) - 1] ?? null;
}
