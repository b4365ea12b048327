import { isDeepStrictEqual } from 'node:util';
import type { ValueKind } from './value-kinds.ts';

/** Where a setting belongs. */
export type SettingGroup =
  | 'nvidia'
  | 'agent'
  | 'pernode'
  | 'imex'
  | 'sharing'
  | 'resources'
  | 'memory'
  | 'health'
  | 'exclude'
  | 'cluster'
  | 'cdi'
  | 'labels'
  | 'gfd';

/** One thing that can be configured: where it is given, what it may be, and what holds without it. */
export interface Setting<T> {
  readonly group: SettingGroup;
  /** Long name without dashes. */
  readonly flag: string | null;
  readonly aliases: readonly string[];
  /** The first of these that is set counts. */
  readonly env: readonly string[];
  readonly inFile: boolean;
  readonly kind: ValueKind<T>;
  readonly default: T;
  readonly description: string;
  readonly built: Built;
}

/** Which values do something in this version: every one, the default alone, or some words of a closed set. */
type Built = 'all' | 'default' | readonly string[];

type Optional = 'flag' | 'aliases' | 'env' | 'inFile' | 'built';

/** A setting; what is left out is: in the file alone, and built. */
export function setting<T>(
  given: Omit<Setting<T>, Optional | 'default'> & { readonly default: NoInfer<T> } & Partial<
      Pick<Setting<T>, Optional>
    >,
): Setting<T> {
  return { flag: null, aliases: [], env: [], inFile: true, built: 'all', ...given };
}

/** What is allowed now when the value asks for something that this version lacks; `null` when it does not. */
export function allowedInstead<T>({ built, kind, default: preset }: Setting<T>, value: T): string | null {
  if (built === 'all') return null;
  if (built === 'default')
    return isDeepStrictEqual(value, preset) ? null : describeDefault(kind.toFile(preset));
  const words: readonly unknown[] = Array.isArray(value) ? value : [value];
  return words.every((word) => typeof word === 'string' && built.includes(word)) ? null : built.join(', ');
}

/** What of a setting this version lacks, for help and documentation; empty when it lacks nothing. */
export function describeMissing({ built, kind }: Setting<unknown>): string {
  if (built === 'all') return '';
  if (built === 'default') return 'not in this version yet';
  return `${kind.words.filter((word) => !built.includes(word)).join(', ')}: not in this version yet`;
}

/** Names that a flag goes by, without dashes. */
export function flagNames({ flag, aliases }: Setting<unknown>): readonly string[] {
  return flag === null ? [] : [flag, ...aliases];
}

function describeDefault(fileForm: unknown): string {
  return fileForm === null ? 'leave it out' : `${JSON.stringify(fileForm)}, the default`;
}
