import type { Origin } from './problem.ts';
import type { SettingKey, SettingValues } from './settings.ts';

/** What an administrator should know of the settings for CDI: one sentence or two each. */
export function cdiNotes(values: SettingValues, originOf: (key: SettingKey) => Origin): string[] {
  const strategies = values['flags.plugin.deviceListStrategy'];
  const names = strategies.filter((strategy) => strategy.startsWith('cdi-'));
  const given = (key: SettingKey): boolean => originOf(key).kind !== 'default';
  if (names.length === 0) {
    return (['cdi.spec', '--cdi-feature-flags', '--cdi-disable-hooks'] as const)
      .filter(given)
      .map((key) => `${key} has no effect: flags.plugin.deviceListStrategy has no CDI strategy.`);
  }
  return [
    `flags.plugin.deviceListStrategy ${names.join(', ')} needs a container runtime that knows CDI. containerd has it switched ` +
      'off before 2.0 (enable_cdi) and lacks it before 1.7; under such a runtime containers start without their GPU.',
    ...(values['flags.plugin.passDeviceSpecs'] && names.length === strategies.length
      ? [
          'flags.plugin.passDeviceSpecs has no effect: with CDI strategies alone the device nodes are in the CDI specs.',
        ]
      : []),
    ...(values['cdi.spec'] === 'toolkit'
      ? (['--cdi-feature-flags', '--cdi-disable-hooks', 'flags.plugin.nvidiaCTKPath'] as const)
          .filter(given)
          .map((key) => `${key} has no effect: with cdi.spec toolkit the agent describes no GPU itself.`)
      : values['--cdi-feature-flags']
          .filter((flag) => alwaysSo.includes(flag))
          .map((flag) => `--cdi-feature-flags ${flag} changes nothing: our specs are always so.`)),
  ];
}

/** Our specs hold no group ids, and are made without nvsandboxutils and for no Tegra. */
const alwaysSo: readonly string[] = [
  'no-additional-gids-for-device-nodes',
  'disable-nvsandboxutils',
  'disable-multiple-csv-devices',
];
