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
  if (states.length === 0) return null;
  // Vitest counts its workers from 1, and a new one takes the number of one that has ended.
  const worker = process.env['VITEST_POOL_ID'];
  const state = states[Number(worker) - 1];
  if (state === undefined)
    throw new Error(`Worker ${worker} has no cluster: there are ${states.length}. Run no more workers.`);
  return state;
}
