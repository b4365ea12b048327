import { systemErrorCode } from '../lib/errors.ts';

/** What the machine lacks for a moment, or cannot tell: no sign that a file is not there. */
const passing = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EIO', 'EAGAIN', 'ESTALE', 'ETIMEDOUT']);

/**
 * What a look at the file system gives; `absent` where there is nothing, or nothing that may be looked at.
 * @throws what may pass: files of the driver must not leave the specs because descriptors are short for a moment
 */
export async function orWhenAbsent<T, A>(look: Promise<T>, absent: A): Promise<T | A> {
  try {
    return await look;
  } catch (thrown) {
    if (passing.has(systemErrorCode(thrown) ?? '')) throw thrown;
    return absent;
  }
}
