import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildPrograms } from './build/build-programs.ts';
import { Supervisor } from './node/supervisor.ts';

/** Ends the cluster of a folder and removes all that it made, and what killed runs left: `cluster:down [STATE]`. */
const state = resolve(process.argv[2] ?? join(tmpdir(), 'slicewise'));
await new Supervisor(await buildPrograms(), state).down();
