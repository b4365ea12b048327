import { describe, inject } from 'vitest';

/** Tests that are skipped where no cluster can run; the reason was printed when the project started. */
export const onCluster = describe.skipIf(inject('clusterState') === null);
