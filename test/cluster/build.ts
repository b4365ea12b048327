import { buildPrograms } from './build/build-programs.ts';

/** Builds what the cluster is made of, and what is in the cache already not again: `cluster:build`. */
await buildPrograms();
