import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { LabelSink, SinkResult } from '../../cluster/label-sink.ts';
import { labelLines } from './label-lines.ts';
import { describeError, systemErrorCode } from '../../lib/errors.ts';
import type { FilePlace } from './label-settings.ts';

/**
 * A feature file of node-feature-discovery. It is replaced as a whole, by a file whose name begins with a dot until then, which
 * node-feature-discovery does not read; and it is removed only while it says what we wrote.
 */
export function openLabelFile({ path, lookAgainMs }: FilePlace): LabelSink {
  let written: string | null = null;
  const stays = lookAgainMs === Infinity;
  const attempt = async (what: string, act: () => Promise<void>): Promise<SinkResult> => {
    try {
      await act();
      return { ok: true, againMs: stays ? null : lookAgainMs };
    } catch (thrown) {
      const problem = `the feature file ${path} cannot be ${what}: ${describeError(thrown)}. Mount its folder from the node, writable, or name another one (flags.gfd.outputFile, --output-file)`;
      return { ok: false, problem, retryAfterMs: 0 };
    }
  };
  return {
    write: (labels) =>
      attempt('written', async () => {
        const text = labelLines(labels);
        written = text;
        if ((await readIfThere(path)) !== text) await replaceFile(path, text);
      }),
    remove: () =>
      attempt('removed', async () => {
        if (!stays && written !== null && (await readIfThere(path)) === written)
          await rm(path, { force: true });
      }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
  try {
    await writeFile(beside, text, { flag: 'wx', mode: 0o644 });
    await rename(beside, path);
  } finally {
    await rm(beside, { force: true });
  }
}

/** `null` where there is no file. */
async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return null;
    throw thrown;
  }
}
