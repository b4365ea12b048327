import { buildPrograms } from '../build/build-programs.ts';
import { startCluster } from '../node/cluster.ts';

/** Starts a cluster in a folder, says so, and does nothing more: a test run that somebody kills. `node FILE STATE` */
const state = process.argv[2] ?? '';
const cluster = await startCluster(await buildPrograms(), state);
process.stdout.write(`${cluster.paths.state}\n`);
