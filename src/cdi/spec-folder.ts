import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cdiClasses, ownFileName, type CdiClass } from '../allocation/cdi/cdi-names.ts';
import type { Clock } from '../lib/clock.ts';
import { OperatorError, toError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { readSpecFile, replaceSpecFile } from './spec-file.ts';

export interface SpecFolderDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** True while a container may be started again that names a device of the class. */
  readonly isHeld: (cdiClass: CdiClass) => Promise<boolean>;
}

/** Pause between two complaints about the same file. */
const sayAgainMs = 60_000;

/** Our spec files in a folder that other vendors' specs lie in as well; those are never touched. */
export class SpecFolder {
  readonly path: string;
  readonly #deps: SpecFolderDeps;
  /** What we wrote or found as it should be, by class. */
  readonly #inForce = new Map<CdiClass, string>();
  readonly #saidMs = new Map<CdiClass, number>();
  #cleaned = false;

  constructor(path: string, deps: SpecFolderDeps) {
    this.path = path;
    this.#deps = deps;
  }

  /**
   * Brings our files to the given texts and reads them back. Files of classes that have none are removed once nobody holds a
   * device of theirs. True when somebody else had spoiled one of them.
   * @throws OperatorError `cdi-folder` with what could not be done
   */
  async sync(wanted: ReadonlyMap<CdiClass, string>): Promise<boolean> {
    let spoiled = false;
    for (const [cdiClass, text] of wanted) spoiled = (await this.#write(cdiClass, text)) || spoiled;
    for (const cdiClass of cdiClasses) if (!wanted.has(cdiClass)) await this.#remove(cdiClass);
    if (!this.#cleaned) await this.#removeUnfinished();
    return spoiled;
  }

  async #write(cdiClass: CdiClass, text: string): Promise<boolean> {
    const path = this.#file(cdiClass);
    const before = await this.#attempt(path, 'read', () => readSpecFile(path));
    // Only what was right once and is still wanted can have been spoiled by somebody else.
    const spoiled = before !== text && this.#inForce.get(cdiClass) === text;
    if (before !== text) {
      await this.#attempt(path, 'written', () => replaceSpecFile(path, text));
      const after = await this.#attempt(path, 'read back', () => readSpecFile(path));
      if (after !== text)
        throw new OperatorError(
          'cdi-folder',
          `The CDI spec ${path} was written and holds something else: does another program write it too?`,
        );
      if (spoiled) this.#reportSpoiled(cdiClass, before);
      else this.#deps.log.info({ file: path, bytes: text.length }, 'CDI spec written');
    }
    this.#inForce.set(cdiClass, text);
    return spoiled;
  }

  async #remove(cdiClass: CdiClass): Promise<void> {
    const path = this.#file(cdiClass);
    this.#inForce.delete(cdiClass);
    const there = await this.#attempt(path, 'read', () => readSpecFile(path));
    if (there === null || (await this.#deps.isHeld(cdiClass))) return;
    await this.#attempt(path, 'removed', () => rm(path, { force: true }));
    this.#deps.log.info({ file: path }, 'CDI spec removed: nothing uses it any more');
  }

  /** What a run that was killed left half-written. */
  async #removeUnfinished(): Promise<void> {
    const names = await readdir(this.path).catch(() => []);
    const ours = new Set(cdiClasses.map((cdiClass) => `.${ownFileName(cdiClass)}.`));
    const unfinished = names.filter(
      (name) => name.endsWith('.tmp') && [...ours].some((own) => name.startsWith(own)),
    );
    await Promise.all(
      unfinished.map((name) => rm(join(this.path, name), { force: true }).catch(() => undefined)),
    );
    this.#cleaned = true;
  }

  #reportSpoiled(cdiClass: CdiClass, before: string | null): void {
    const nowMs = this.#deps.clock.now();
    if (nowMs - (this.#saidMs.get(cdiClass) ?? Number.NEGATIVE_INFINITY) < sayAgainMs) return;
    this.#saidMs.set(cdiClass, nowMs);
    const what = before === null ? 'removed' : 'changed';
    this.#deps.log.warn(
      { file: this.#file(cdiClass) },
      `another program ${what} our CDI spec: it is written again`,
    );
  }

  async #attempt<T>(path: string, what: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (thrown) {
      const cause = toError(thrown);
      throw new OperatorError(
        'cdi-folder',
        `The CDI spec ${path} cannot be ${what}: ${cause.message}. Make ${this.path} a folder that the agent may write to`,
      );
    }
  }

  #file(cdiClass: CdiClass): string {
    return join(this.path, ownFileName(cdiClass));
  }
}
