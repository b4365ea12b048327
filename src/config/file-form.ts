import { settingRows, type SettingKey, type SettingValues } from './settings.ts';

/** The map that a file with these values holds. Loading it as a file gives the same values. */
export function toFileMap(values: SettingValues): Readonly<Record<string, unknown>> {
  const root: Record<string, unknown> = {};
  for (const [key, { inFile, kind }] of settingRows) {
    if (!inFile) continue;
    const steps = key.split('.');
    const name = steps.pop() ?? '';
    let map = root;
    for (const step of steps) map = below(map, step);
    map[name] = kind.toFile(values[key satisfies SettingKey]);
  }
  return root;
}

function below(map: Record<string, unknown>, step: string): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  return (map[step] ??= made) as Record<string, unknown>;
}
