import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Clock } from './clock.ts';
import { isAbort } from './errors.ts';

/** Notifications from one folder, renewed when the folder comes, goes or is another one. */
export class FolderWatch implements Disposable {
  readonly #folder: string;
  #watcher: FSWatcher | null = null;
  #inode: bigint | null = null;
  #changed = false;
  #wake: () => void = () => {};

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Watches the folder that now has the name; without one, the poll alone finds out. */
  async renew(): Promise<void> {
    const inode = await stat(this.#folder, { bigint: true }).then(
      ({ dev, ino }) => (dev << 64n) | ino,
      () => null,
    );
    if (inode === this.#inode && (this.#watcher !== null || inode === null)) return;
    this[Symbol.dispose]();
    this.#inode = inode;
    if (inode === null) return;
    try {
      this.#watcher = watch(this.#folder, () => this.#notify());
      this.#watcher.on('error', () => this[Symbol.dispose]());
    } catch {
      // Out of inotify watches, or the folder went meanwhile: the poll goes on.
      this[Symbol.dispose]();
    }
  }

  /** Resolves at the next notification, or one missed since the last call, or after `pollMs`; rejects on abort. */
  async change(clock: Clock, pollMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#changed) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      try {
        await clock.sleep(pollMs, AbortSignal.any([signal, woken.signal]));
      } catch (thrown) {
        if (signal.aborted || !isAbort(thrown)) throw thrown;
      }
    }
    this.#changed = false;
  }

  #notify(): void {
    this.#changed = true;
    this.#wake();
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#inode = null;
  }
}
