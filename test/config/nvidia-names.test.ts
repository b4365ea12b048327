import { describe, expect, test } from 'vitest';
import type { SettingKey } from '../../src/config/settings.ts';
import { toFileForm } from '../../src/config/settings.ts';
import { loadGood, problemsOf } from './loading.ts';

type Row = readonly [
  flags: readonly string[],
  env: readonly string[],
  key: SettingKey,
  text: string,
  fileForm: unknown,
];

// Names and defaults as NVIDIA's plugin v0.20 has them; the text is another than the default where this version takes one.
const rows: readonly Row[] = [
  [['mig-strategy'], ['MIG_STRATEGY'], 'flags.migStrategy', 'mixed', 'mixed'],
  [['fail-on-init-error'], ['FAIL_ON_INIT_ERROR'], 'flags.failOnInitError', 'false', false],
  [['driver-root', 'nvidia-driver-root'], ['NVIDIA_DRIVER_ROOT'], 'flags.nvidiaDriverRoot', '/d', '/d'],
  [['dev-root', 'nvidia-dev-root'], ['NVIDIA_DEV_ROOT'], 'flags.nvidiaDevRoot', '/d', '/d'],
  [['pass-device-specs'], ['PASS_DEVICE_SPECS'], 'flags.plugin.passDeviceSpecs', 'true', true],
  [
    ['device-list-strategy'],
    ['DEVICE_LIST_STRATEGY'],
    'flags.plugin.deviceListStrategy',
    'cdi-annotations,envvar,cdi-cri,volume-mounts',
    ['cdi-annotations', 'envvar', 'cdi-cri', 'volume-mounts'],
  ],
  [
    ['cdi-feature-flags'],
    ['CDI_FEATURE_FLAGS'],
    '--cdi-feature-flags',
    'disable-ipc-discoverer,enable-explicit-driver-libraries',
    ['disable-ipc-discoverer', 'enable-explicit-driver-libraries'],
  ],
  [['cdi-disable-hooks'], ['CDI_DISABLE_HOOKS'], '--cdi-disable-hooks', 'all', ['all']],
  [['device-id-strategy'], ['DEVICE_ID_STRATEGY'], 'flags.plugin.deviceIDStrategy', 'index', 'index'],
  [['gdrcopy-enabled'], ['GDRCOPY_ENABLED'], 'flags.gdrcopyEnabled', 'true', true],
  [['gds-enabled'], ['GDS_ENABLED'], 'flags.gdsEnabled', 'true', true],
  [['mofed-enabled'], ['MOFED_ENABLED'], 'flags.mofedEnabled', 'true', true],
  [
    ['cdi-annotation-prefix'],
    ['CDI_ANNOTATION_PREFIX'],
    'flags.plugin.cdiAnnotationPrefix',
    'x.io/',
    'x.io/',
  ],
  [
    ['nvidia-cdi-hook-path', 'nvidia-ctk-path'],
    ['NVIDIA_CDI_HOOK_PATH', 'NVIDIA_CTK_PATH'],
    'flags.plugin.nvidiaCTKPath',
    '/x',
    '/x',
  ],
  [
    ['driver-root-ctr-path', 'container-driver-root'],
    ['DRIVER_ROOT_CTR_PATH', 'CONTAINER_DRIVER_ROOT'],
    'flags.plugin.containerDriverRoot',
    '/x',
    '/x',
  ],
  [['mps-root'], ['MPS_ROOT'], 'flags.mpsRoot', '/run/nvidia/mps', '/run/nvidia/mps'],
  [
    ['shared-devices-allocation-policy'],
    ['SHARED_DEVICES_ALLOCATION_POLICY'],
    'flags.plugin.sharedDevicesAllocationPolicy',
    'packed',
    'packed',
  ],
  [
    ['device-discovery-strategy'],
    ['DEVICE_DISCOVERY_STRATEGY'],
    'flags.deviceDiscoveryStrategy',
    'nvml',
    'nvml',
  ],
  [['imex-channel-ids'], ['IMEX_CHANNEL_IDS'], 'imex.channelIDs', '0', [0]],
  [['imex-required'], ['IMEX_REQUIRED'], 'imex.required', 'true', true],
  [['kubelet-socket'], ['KUBELET_SOCKET'], 'flags.agent.kubeletSocket', '/k/kubelet.sock', '/k/kubelet.sock'],
  [['config-file'], ['CONFIG_FILE'], '--config-file', '/c.yaml', '/c.yaml'],
  [
    ['config-dir', 'config-file-srcdir'],
    ['CONFIG_FILE_SRCDIR'],
    '--config-dir',
    '/available-configs',
    '/available-configs',
  ],
  [['node-label'], ['NODE_LABEL'], '--node-label', 'example.com/config', 'example.com/config'],
  [['default-config'], ['DEFAULT_CONFIG'], '--default-config', 'a100', 'a100'],
  [
    ['fallback-strategies'],
    ['FALLBACK_STRATEGIES'],
    '--fallback-strategies',
    'named,single',
    ['named', 'single'],
  ],
  [[], ['DP_DISABLE_HEALTHCHECKS'], 'DP_DISABLE_HEALTHCHECKS', '31,43', '31,43'],
  [[], ['DP_ENABLE_HEALTHCHECKS'], 'DP_ENABLE_HEALTHCHECKS', '79', '79'],
  [[], ['GFD_ONESHOT'], 'flags.gfd.oneshot', 'false', false],
  [[], ['GFD_NO_TIMESTAMP'], 'flags.gfd.noTimestamp', 'false', false],
  [[], ['GFD_SLEEP_INTERVAL'], 'flags.gfd.sleepInterval', '60s', '1m'],
  [[], ['GFD_USE_NODE_FEATURE_API', 'USE_NODE_FEATURE_API'], 'flags.useNodeFeatureAPI', 'true', true],
];

const ways = rows.flatMap(([flags, env, key, text, fileForm]) => [
  ...flags.map((name) => ({ way: `--${name}`, given: { flags: { [name]: text } }, key, fileForm })),
  ...env.map((name) => ({ way: name, given: { env: { [name]: text } }, key, fileForm })),
]);

test.each(ways)('$way is $key', async ({ given, key, fileForm }) => {
  const { values, origins } = await loadGood(given);
  expect(toFileForm(key, values[key])).toEqual(fileForm);
  expect(origins.get(key)?.kind).not.toBe('default');
});

describe('named, and not in this version', () => {
  const cases: readonly (readonly [flag: string | null, env: string, text: string])[] = [
    ['device-discovery-strategy', 'DEVICE_DISCOVERY_STRATEGY', 'tegra'],
    ['cdi-feature-flags', 'CDI_FEATURE_FLAGS', 'enable-coherent-annotations'],
    [null, 'GFD_ONESHOT', 'true'],
  ];
  test.each(cases)('%s, %s', async (flag, env, text) => {
    const given = [{ env: { [env]: text } }, ...(flag === null ? [] : [{ flags: { [flag]: text } }])];
    for (const way of given) {
      expect(await problemsOf(way)).toEqual([
        'command-line',
        expect.stringContaining('not in this version yet'),
      ]);
    }
  });
});

test('of two variables for one setting the first counts', async () => {
  const { config } = await loadGood({ env: { NVIDIA_CTK_PATH: '/old', NVIDIA_CDI_HOOK_PATH: '/new' } });
  expect(config.flags.plugin.nvidiaCTKPath).toBe('/new');
});
