import { settingRows, type SettingKey } from './settings.ts';
import type { Setting } from './setting.ts';

/** The file's maps and the settings in them, by the names of their keys. */
export interface KeyTree {
  readonly branches: ReadonlyMap<string, KeyTree>;
  readonly leaves: ReadonlyMap<string, { readonly key: SettingKey; readonly setting: Setting<unknown> }>;
}

/** The tree of all keys that a file may hold. */
export function keyTree(): KeyTree {
  return grow(
    settingRows
      .filter(([, { inFile }]) => inFile)
      .map(([key, setting]) => ({ key, setting, steps: key.split('.') })),
  );
}

interface Row {
  readonly key: SettingKey;
  readonly setting: Setting<unknown>;
  readonly steps: readonly string[];
}

function grow(rows: readonly Row[]): KeyTree {
  const leaves = new Map<string, Row>();
  const below = new Map<string, Row[]>();
  for (const row of rows) {
    const [name = '', ...steps] = row.steps;
    if (steps.length === 0) leaves.set(name, row);
    else below.set(name, [...(below.get(name) ?? []), { ...row, steps }]);
  }
  return { leaves, branches: new Map([...below].map(([name, members]) => [name, grow(members)])) };
}
