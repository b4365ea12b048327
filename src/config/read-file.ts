import { readFile, realpath, stat } from 'node:fs/promises';
import { describeError, OperatorError } from '../lib/errors.ts';

/** The most that is read of a config file. */
export const maxConfigBytes = 1024 * 1024;

/**
 * The text of a config file. `/dev/null` is an empty one.
 * @throws OperatorError `config-unreadable` when there is no such file, it is no file, too long, or may not be read
 */
export async function readConfigText(path: string): Promise<string> {
  try {
    const status = await stat(path);
    if (!status.isFile()) {
      // Reading a pipe would wait for ever. NVIDIA's config manager points an empty config at /dev/null.
      if ((await realpath(path)) === '/dev/null') return '';
      throw new Error('it is no regular file');
    }
    if (status.size > maxConfigBytes) {
      throw new Error(`it has ${status.size} bytes, and at most ${maxConfigBytes} are read`);
    }
    return await readFile(path, 'utf8');
  } catch (thrown) {
    const message = `cannot read the config file ${path}: ${describeError(thrown)}`;
    throw new OperatorError('config-unreadable', message, { cause: thrown });
  }
}
