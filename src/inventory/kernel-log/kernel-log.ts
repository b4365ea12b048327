import { closeSync, constants, openSync, readSync } from 'node:fs';
import { describeError, systemErrorCode } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';

/**
 * The kernel's log from the moment it was opened. One that cannot be opened or read is complained about once, and is empty from then on.
 * Nothing here blocks: the file is asked, not waited for.
 */
export class KernelLog implements Disposable {
  readonly #path: string;
  readonly #log: Log;
  readonly #buffer = Buffer.alloc(longestRecord);
  #file: number | null = null;
  /** What is read of a line that has not ended. */
  #rest = '';

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
    try {
      this.#file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      this.#skipOld();
    } catch (thrown) {
      this.#giveUp(thrown);
    }
  }

  get isOpen(): boolean {
    return this.#file !== null;
  }

  /** New lines, in their order; there may be more when it gives as many as it may. */
  take(most: number): string[] {
    const lines: string[] = [];
    try {
      while (lines.length < most) {
        const text = this.#read();
        if (text === null) break;
        const [rest = '', ...whole] = (this.#rest + text).split('\n').toReversed();
        // What never ends is no record.
        this.#rest = rest.length > longestRecord ? '' : rest;
        lines.push(...whole.toReversed());
      }
    } catch (thrown) {
      this.#giveUp(thrown);
    }
    return lines;
  }

  [Symbol.dispose](): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  /** `/dev/kmsg` begins with the oldest record that the kernel still has. */
  #skipOld(): void {
    for (let record = 0; record < mostOldRecords && this.#read() !== null; record += 1);
  }

  /** A record, or null where there is none now. */
  #read(): string | null {
    if (this.#file === null) return null;
    for (;;) {
      try {
        const bytes = readSync(this.#file, this.#buffer);
        return bytes === 0 ? null : this.#buffer.toString('utf8', 0, bytes);
      } catch (thrown) {
        const code = systemErrorCode(thrown);
        if (code === 'EAGAIN') return null;
        // The kernel has overwritten records that were not read; it goes on with the oldest that is left.
        if (code !== 'EPIPE' && code !== 'EINTR') throw thrown;
      }
    }
  }

  #giveUp(thrown: unknown): void {
    this[Symbol.dispose]();
    this.#log.warn(
      { path: this.#path, reason: describeError(thrown) },
      'the kernel log cannot be read, so XIDs are told by the driver alone; in a container it needs the device and a privileged container',
    );
  }
}

/** More than the kernel gives at once. */
const longestRecord = 16 * 1024;
const mostOldRecords = 100_000;
