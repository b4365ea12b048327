import type { Setting } from './setting.ts';
import { agentSettings } from './settings-agent.ts';
import { clusterSettings } from './settings-cluster.ts';
import { featureSettings } from './settings-features.ts';
import { gfdSettings } from './settings-gfd.ts';
import { labelSettings } from './settings-labels.ts';
import { memorySettings } from './settings-memory.ts';
import { nvidiaSettings } from './settings-nvidia.ts';
import { perNodeSettings } from './settings-per-node.ts';
import { tellingSettings } from './settings-telling.ts';

/** Every setting of the program by its path in the file; those that no file can hold, by their flag or variable. */
export const settings = {
  ...nvidiaSettings,
  ...agentSettings,
  ...perNodeSettings,
  ...featureSettings,
  ...tellingSettings,
  ...clusterSettings,
  ...memorySettings,
  ...labelSettings,
  ...gfdSettings,
} as const;

export type SettingKey = keyof typeof settings;

/** The value of every setting. */
export type SettingValues = {
  readonly [Key in SettingKey]: (typeof settings)[Key] extends Setting<infer Value> ? Value : never;
};

/** The table as rows, in its own order. */
export const settingRows: readonly (readonly [SettingKey, Setting<unknown>])[] = Object.entries<
  Setting<unknown>
>(settings).map(([key, row]) => [key as SettingKey, row]);

/** True for a key that a config file of NVIDIA's plugin may hold. */
export function isNvidiaFileKey(key: SettingKey): boolean {
  const { group, inFile } = settings[key];
  return inFile && ['nvidia', 'imex', 'sharing', 'resources', 'gfd'].includes(group);
}

/** A setting's value as a file would hold it. */
export function toFileForm(key: SettingKey, value: unknown): unknown {
  const row: Setting<unknown> = settings[key];
  return row.kind.toFile(value);
}
