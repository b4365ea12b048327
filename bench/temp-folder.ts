import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new folder; disposing removes it with all that is in it. */
export interface TempFolder extends AsyncDisposable {
  readonly path: string;
}

/** Makes a folder with a path that is short enough for sockets. */
export async function openFolder(): Promise<TempFolder> {
  const path = await mkdtemp(join(tmpdir(), 'slicewise-bench-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
