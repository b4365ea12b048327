import { describe, expect, test } from 'vitest';
import { onCluster } from './support/on-cluster.ts';
import { installDry } from './support/rendered-chart.ts';

// All values of NVIDIA's chart 0.20.0, and those that its repository has had since, are in one of these three tables.

/** Values that count here, and what they leave in the objects, which is not there without them. */
const kept: readonly (readonly [values: object, text: string])[] = [
  [{ affinity: { podAntiAffinity: {} } }, 'podAntiAffinity'],
  [{ allowDefaultNamespace: true, namespaceOverride: 'default' }, 'namespace: default'],
  [{ cdi: { featureFlags: 'a-flag' } }, 'CDI_FEATURE_FLAGS'],
  [{ cdi: { nvidiaHookPath: '/usr/bin/hook' } }, 'NVIDIA_CDI_HOOK_PATH'],
  [{ compatWithCPUManager: true }, 'PASS_DEVICE_SPECS'],
  [{ config: { map: { default: 'version: v1' } } }, 'kind: ConfigMap'],
  [{ config: { map: { a: 'version: v1', b: '' }, default: 'b' } }, 'DEFAULT_CONFIG'],
  [{ config: { map: { a: 'version: v1', b: '' }, fallbackStrategies: ['empty'] } }, 'value: "empty"'],
  [{ config: { name: 'configs-of-mine' } }, 'name: configs-of-mine'],
  [{ deviceDiscoveryStrategy: 'nvml' }, 'DEVICE_DISCOVERY_STRATEGY'],
  [{ deviceIDStrategy: 'index' }, 'DEVICE_ID_STRATEGY'],
  [{ deviceListStrategy: 'cdi-cri' }, 'DEVICE_LIST_STRATEGY'],
  [{ devicePlugin: { containers: { main: { env: [{ name: 'MINE', value: 'x' }] } } } }, 'name: MINE'],
  [{ devicePlugin: { enableHostNetwork: true } }, 'hostNetwork: true'],
  [{ devicePlugin: { resources: { limits: { memory: '300Mi' } } } }, '300Mi'],
  [{ failOnInitError: false }, 'FAIL_ON_INIT_ERROR'],
  [{ fullnameOverride: 'other' }, 'name: other'],
  [{ gdrcopyEnabled: true }, 'GDRCOPY_ENABLED'],
  [{ gdsEnabled: true }, 'GDS_ENABLED'],
  [{ gfd: { enabled: true } }, 'SLICEWISE_LABELS_OUTPUT'],
  [{ gfd: { enabled: true, noTimestamp: true } }, 'GFD_NO_TIMESTAMP'],
  [{ gfd: { enabled: true, sleepInterval: '10s' } }, 'GFD_SLEEP_INTERVAL'],
  [{ image: { pullPolicy: 'Always' } }, 'imagePullPolicy: Always'],
  [{ image: { repository: 'mirror/slicewise' } }, 'image: mirror/slicewise:'],
  [{ image: { tag: '9' } }, 'slicewise:9'],
  [{ imagePullSecrets: [{ name: 'mine' }] }, 'name: mine'],
  [{ migStrategy: 'mixed' }, 'MIG_STRATEGY'],
  [{ mofedEnabled: true }, 'MOFED_ENABLED'],
  [{ nameOverride: 'other' }, 'app.kubernetes.io/name: other'],
  [{ namespaceOverride: 'other' }, 'namespace: other'],
  [{ nodeSelector: { pool: 'gpus' } }, 'pool: gpus'],
  [{ nvidiaDevRoot: '/run/dev' }, 'NVIDIA_DEV_ROOT'],
  [{ nvidiaDriverCapabilities: 'all' }, 'NVIDIA_DRIVER_CAPABILITIES'],
  [{ nvidiaDriverRoot: '/run/driver' }, 'NVIDIA_DRIVER_ROOT'],
  [{ podAnnotations: { mine: 'x' } }, 'mine: x'],
  [{ podSecurityContext: { fsGroup: 7 } }, 'fsGroup: 7'],
  [{ priorityClassName: 'high' }, 'priorityClassName: high'],
  [{ resources: { limits: { memory: '300Mi' } } }, '300Mi'],
  [{ runtimeClassName: 'nvidia' }, 'runtimeClassName: nvidia'],
  [{ securityContext: { privileged: true } }, 'privileged: true'],
  [{ selectorLabelsOverride: { app: 'gpus' } }, 'app: gpus'],
  [{ tolerations: [{ key: 'mine', operator: 'Exists' }] }, 'key: mine'],
  [{ updateStrategy: { type: 'OnDelete' } }, 'type: OnDelete'],
];

/** Values with which nothing is installed, and helm's words. */
const refused: readonly (readonly [values: object, words: string])[] = [
  [{ config: { default: 'mine' } }, 'config.default is "mine", and there are no configs'],
  [{ config: { name: 'a', map: { a: '' } } }, 'config.name and config.map both say where the configs are'],
  [
    { config: { map: { default: 'sharing: {mps: {resources: [{name: nvidia.com/gpu, replicas: 2}]}}' } } },
    'config.map has default, which shares GPUs through MPS (sharing.mps)',
  ],
  [{ deviceDiscoveryStrategy: 'tegra' }, "at '/deviceDiscoveryStrategy': value must be one of"],
  [{ devicePlugin: { enabled: false }, gfd: { enabled: true } }, 'the labels are made by the agents'],
  [
    { image: { repository: 'mirror/nvidia/k8s-device-plugin' } },
    "image.repository is mirror/nvidia/k8s-device-plugin, which is NVIDIA's plugin and not this one",
  ],
  [{ namespace: 'other' }, 'namespace is no value of this chart: install with --namespace other'],
  [{ nfd: { enabled: true } }, 'nfd.enabled: this chart does not install Node Feature Discovery'],
];

/** Values that change nothing, and the name under which the notes say so. */
const noted: readonly (readonly [values: object, path: string])[] = [
  [{ componentSelectorLabels: { enabled: true } }, 'componentSelectorLabels'],
  [{ configManager: { resources: { limits: { cpu: 1 } } } }, 'configManager'],
  [{ gfd: { enableHostNetwork: true } }, 'gfd.enableHostNetwork'],
  [{ gfd: { nameOverride: 'gpu-feature-discovery' } }, 'gfd.nameOverride'],
  [{ gfd: { namespaceOverride: 'other' } }, 'gfd.namespaceOverride'],
  [{ gfd: { resources: { limits: { cpu: 1 } } } }, 'gfd.resources'],
  [{ gfd: { securityContext: { privileged: true } } }, 'gfd.securityContext'],
  [{ logVerbosity: 5 }, 'logVerbosity'],
  [{ mps: { enableHostNetwork: true } }, 'mps'],
  [{ mps: { enableHostPID: false } }, 'mps'],
  [{ mps: { resources: { limits: { cpu: 1 } } } }, 'mps'],
  [{ mps: { root: '/run/nvidia/mps' } }, 'mps'],
  [{ nfd: { master: { config: { extraLabelNs: ['nvidia.com'] } } } }, 'nfd'],
  [{ nfd: { nameOverride: 'node-feature-discovery' } }, 'nfd'],
  [{ nfd: { worker: { tolerations: [] } } }, 'nfd'],
];

/** The objects of an installation without any values; rendered once. */
let plain: ReturnType<typeof installDry> | undefined;
const plainManifest = async (): Promise<string> => (await (plain ??= installDry({}))).manifest;

/** The values that the notes name as doing nothing. */
function idleIn(notes: string): readonly (string | undefined)[] {
  const [, list = ''] = notes.split('these values do nothing here:');
  return [...list.matchAll(/^ {4}([\w.]+): \w.*\.$/gm)].map(([, path]) => path);
}

onCluster("values of NVIDIA's chart", () => {
  test.for(kept)('%j: is kept, as %s', async ([values, text]) => {
    const { stderr, manifest, notes } = await installDry(values);
    expect(stderr).toBe('');
    expect(manifest).toContain(text);
    expect(await plainManifest()).not.toContain(text);
    expect(idleIn(notes)).toEqual([]);
  });

  test.for(refused)('%j: is refused: %s', async ([values, words]) => {
    const { code, stderr } = await installDry(values);
    expect(code).toBe(1);
    expect(stderr).toContain(words);
  });

  test.for(noted)('%j: does nothing, and the notes say so of %s', async ([values, path]) => {
    const { stderr, manifest, notes } = await installDry(values);
    expect(stderr).toBe('');
    expect(manifest).toBe(await plainManifest());
    expect(idleIn(notes)).toEqual([path]);
  });

  test('failOnInitError: true goes to the agent, which says what it makes of it, as the notes do', async () => {
    const { manifest, notes } = await installDry({ failOnInitError: true });
    expect(manifest).toContain('FAIL_ON_INIT_ERROR');
    expect(idleIn(notes)).toEqual(['failOnInitError']);
  });

  test('are all taken as they come with it, but for its image', async () => {
    const nvidias = {
      config: { name: '', map: {}, default: '', fallbackStrategies: ['named', 'single'] },
      failOnInitError: null,
      selectorLabelsOverride: {},
      componentSelectorLabels: { enabled: false },
      image: { repository: 'mirror/nvidia/k8s-device-plugin', pullPolicy: 'IfNotPresent', tag: '' },
      updateStrategy: { type: 'RollingUpdate' },
      resources: {},
      devicePlugin: {
        enabled: true,
        containers: { main: { env: [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' }] } },
      },
      gfd: { enabled: false, nameOverride: 'gpu-feature-discovery', securityContext: { privileged: true } },
      nfd: { nameOverride: 'node-feature-discovery', master: {}, worker: {} },
      mps: { root: '/run/nvidia/mps', enableHostPID: true },
      cdi: { nvidiaHookPath: null, featureFlags: null },
    };
    expect((await installDry(nvidias)).stderr).toContain("which is NVIDIA's plugin and not this one");
    const { stderr, notes } = await installDry({ ...nvidias, image: { repository: 'mirror/slicewise' } });
    expect(stderr).toBe('');
    expect(idleIn(notes)).toEqual([
      'componentSelectorLabels',
      'gfd.nameOverride',
      'gfd.securityContext',
      'mps',
      'nfd',
    ]);
  });

  describe('that are lists of variables', () => {
    test('name each once, and those of this chart count', async () => {
      const env = [
        { name: 'NODE_NAME', value: 'other' },
        { name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' },
      ];
      const { manifest } = await installDry({
        driverAccess: 'privileged',
        extraEnv: [{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'none' }],
        devicePlugin: { containers: { main: { env } } },
      });
      expect(manifest.match(/name: NODE_NAME$/gm)).toHaveLength(1);
      expect(manifest.match(/(?<=name: NVIDIA_VISIBLE_DEVICES\n\s+value: )\S+/g)).toEqual(['none']);
    });
  });
});
