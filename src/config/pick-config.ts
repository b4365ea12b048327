import { printable } from './printable.ts';

/** What a node without the label gets: the config named `default`, the only one there is, or none. */
export const fallbackStrategies = ['named', 'single', 'empty'] as const;

export interface PickInputs {
  /** What the node's label says; `null` where the node has none. */
  readonly label: string | null;
  /** The config of nodes without the label; `null` when none was named. */
  readonly defaultConfig: string | null;
  /** Tried in this order where neither names one. */
  readonly fallbacks: readonly (typeof fallbackStrategies)[number][];
  /** The configs there are. */
  readonly names: readonly string[];
}

/** `empty`: no file at all, which is all defaults. `why` is what made the choice. */
export type ConfigPick =
  | {
      readonly kind: 'file';
      readonly name: string;
      readonly why: 'label' | 'default' | 'named' | 'single';
    }
  | { readonly kind: 'empty' }
  | { readonly kind: 'problem'; readonly message: string };

/**
 * Which config is a node's: the one that its label names, else the default, else what the fallbacks find. A name that is not among the
 * configs is a problem and never falls through to the next rule: who named a config does not want another. The order is that of
 * NVIDIA's config manager.
 */
export function pickConfig({ label, defaultConfig, fallbacks, names }: PickInputs): ConfigPick {
  const named = label === null ? defaultConfig : label;
  if (named !== null) {
    if (names.includes(named))
      return { kind: 'file', name: named, why: label === null ? 'default' : 'label' };
    const who = label === null ? 'the default config (--default-config, DEFAULT_CONFIG)' : "the node's label";
    return {
      kind: 'problem',
      message: `${who} names ${printable(named)}, and there is no such config; ${list(names)}`,
    };
  }
  for (const strategy of fallbacks) {
    const [only] = names;
    if (strategy === 'empty') return { kind: 'empty' };
    if (strategy === 'named' && names.includes('default'))
      return { kind: 'file', name: 'default', why: 'named' };
    if (strategy === 'single' && only !== undefined && names.length === 1)
      return { kind: 'file', name: only, why: 'single' };
  }
  const tried =
    fallbacks.length === 0 ? '' : `, and of the fallbacks (${fallbacks.join(', ')}) none finds one`;
  return {
    kind: 'problem',
    message: `the node's label names no config, there is no default one (--default-config, DEFAULT_CONFIG)${tried}; ${list(names)}`,
  };
}

const shownMax = 20;

function list(names: readonly string[]): string {
  if (names.length === 0) return 'there is none at all';
  const more = names.length > shownMax ? ` and ${names.length - shownMax} more` : '';
  return `there are: ${names.slice(0, shownMax).map(printable).join(', ')}${more}`;
}
