import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openFolder } from './temp-folder.ts';

/** A scenario file in a folder of its own; disposing removes both. */
export interface ScenarioFile extends AsyncDisposable {
  /** The arguments that make it an agent's GPUs. */
  readonly driverArgs: readonly string[];
  /** Puts another content in its place at one stroke. */
  replace(content: object): Promise<void>;
}

/** Writes a scenario; the content is as in the file, without the name. */
export async function openScenarioFile(content: object): Promise<ScenarioFile> {
  await using held = new AsyncDisposableStack();
  const { path: folder } = held.use(await openFolder());
  const path = join(folder, 'node.yaml');
  const replace = async (next: object): Promise<void> => {
    await writeFile(`${path}.new`, JSON.stringify({ name: 'node', ...next }));
    await rename(`${path}.new`, path);
  };
  await replace(content);
  const all = held.move();
  return {
    driverArgs: ['--device-discovery-strategy', 'simulated', '--scenario', path],
    replace,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}
