import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A new folder with a path short enough for sockets; removed when the test is over. */
export async function shortFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}
