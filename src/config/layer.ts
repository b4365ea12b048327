import type * as z from 'zod';
import { expectedText } from './expected.ts';
import { problem, type ConfigProblem, type Origin } from './problem.ts';
import type { Setting } from './setting.ts';
import type { SettingKey } from './settings.ts';

/** What one source (flags, environment or file) gives. */
export interface Layer {
  readonly values: ReadonlyMap<SettingKey, GivenValue>;
  /** Keys whose value was refused. */
  readonly refused: ReadonlySet<SettingKey>;
  readonly problems: readonly ConfigProblem[];
}

export interface GivenValue {
  readonly value: unknown;
  readonly origin: Origin;
}

/** Collects a layer; a value that its setting does not allow becomes problems. */
export class LayerBuilder implements Layer {
  readonly values = new Map<SettingKey, GivenValue>();
  readonly refused = new Set<SettingKey>();
  readonly problems: ConfigProblem[] = [];

  /**
   * Takes a value in the file's form.
   * @param locate where the part of the value at the given path was written
   */
  add(key: SettingKey, setting: Setting<unknown>, given: unknown, locate: (path: Path) => Origin): void {
    const parsed = setting.kind.schema().safeParse(given, { error: expectedText });
    if (parsed.success) {
      this.values.set(key, { value: parsed.data, origin: locate([]) });
      return;
    }
    this.refused.add(key);
    for (const issue of parsed.error.issues) this.#refuse(key, given, issue, locate);
  }

  #refuse(key: SettingKey, given: unknown, issue: z.core.$ZodIssue, locate: (path: Path) => Origin): void {
    if (issue.code === 'unrecognized_keys') {
      for (const name of issue.keys) {
        const path = [...issue.path, name];
        this.problems.push(
          problem('unknown-key', locate(path), joinPath(key, path), `known here: ${issue.message}`),
        );
      }
      return;
    }
    const part = valueAt(given, issue.path);
    const value = part === undefined ? null : { given: part };
    this.problems.push(
      problem('invalid', locate(issue.path), joinPath(key, issue.path), issue.message, value),
    );
  }
}

/** Steps from a value to one of its parts. */
export type Path = readonly PropertyKey[];

/** `a.b[0].c` of `a.b` and [0, 'c']. */
export function joinPath(key: string, path: Path): string {
  let joined = key;
  for (const step of path) {
    if (typeof step === 'number') joined += `[${step}]`;
    else joined += joined === '' ? String(step) : `.${String(step)}`;
  }
  return joined;
}

function valueAt(value: unknown, path: Path): unknown {
  let part = value;
  for (const step of path) {
    if (typeof part !== 'object' || part === null || !Object.hasOwn(part, step)) return undefined;
    part = (part as Readonly<Record<PropertyKey, unknown>>)[step];
  }
  return part;
}
