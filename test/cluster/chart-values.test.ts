import { execFileSync } from 'node:child_process';
import { loadAllYaml, type KubernetesObject, type V1DaemonSet } from '@kubernetes/client-node';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { chart, helm, helmOrThrow } from './support/helm.ts';
import { onCluster } from './support/on-cluster.ts';

const where = ['--namespace', 'gpus', '--kube-version', '1.36.3'];

async function render(
  values: object = {},
  args: readonly string[] = where,
): Promise<readonly KubernetesObject[]> {
  const text = await helmOrThrow(['template', 'slicewise', chart, ...args], { values });
  return (loadAllYaml(text) as (KubernetesObject | null)[]).filter((object) => object !== null);
}

function daemonSet(objects: readonly KubernetesObject[]): V1DaemonSet {
  const found = objects.filter(({ kind }) => kind === 'DaemonSet');
  expect(found).toHaveLength(1);
  return found[0] as V1DaemonSet;
}

/** Environment of the agent by name, without what comes from fields. */
async function environment(values: object): Promise<Readonly<Record<string, string | undefined>>> {
  const [agent] = daemonSet(await render(values)).spec?.template.spec?.containers ?? [];
  return Object.fromEntries((agent?.env ?? []).map(({ name, value }) => [name, value]));
}

const kindsOf = (objects: readonly KubernetesObject[]): readonly string[] =>
  objects.map(({ kind, metadata }) => `${kind} ${metadata?.name}`).toSorted();

onCluster('the values of the chart', () => {
  test('pass the linter, all warnings being errors', async () => {
    const { code, stdout, stderr } = await helm(['lint', '--strict', chart, ...where]);
    expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
  });

  test('left alone, say nothing of what the config decides', async () => {
    expect(await environment({})).toEqual({
      NODE_NAME: undefined,
      SLICEWISE_HTTP_ADDRESS: ':9400',
      SLICEWISE_LOG_LEVEL: 'info',
      SLICEWISE_MEMORY_ENABLED: 'true',
      SLICEWISE_MEMORY_UNIT: '1Gi',
    });
  });

  test.for([
    [{ migStrategy: 'mixed' }, { MIG_STRATEGY: 'mixed' }],
    [{ failOnInitError: false }, { FAIL_ON_INIT_ERROR: 'false' }],
    [{ deviceListStrategy: 'envvar,cdi-cri' }, { DEVICE_LIST_STRATEGY: 'envvar,cdi-cri' }],
    [{ deviceIDStrategy: 'index' }, { DEVICE_ID_STRATEGY: 'index' }],
    [{ nvidiaDriverRoot: '/run/nvidia/driver' }, { NVIDIA_DRIVER_ROOT: '/run/nvidia/driver' }],
    [{ nvidiaDevRoot: '/run/dev' }, { NVIDIA_DEV_ROOT: '/run/dev' }],
    [
      { gdrcopyEnabled: true, gdsEnabled: false },
      { GDRCOPY_ENABLED: 'true', GDS_ENABLED: 'false' },
    ],
    [{ mofedEnabled: true }, { MOFED_ENABLED: 'true' }],
    [{ deviceDiscoveryStrategy: 'smi' }, { DEVICE_DISCOVERY_STRATEGY: 'smi' }],
    [{ compatWithCPUManager: true }, { PASS_DEVICE_SPECS: 'true' }],
    [{ cdi: { nvidiaHookPath: '/bin/hook' } }, { NVIDIA_CDI_HOOK_PATH: '/bin/hook' }],
    [{ memory: { maxPerContainer: '14Gi' } }, { SLICEWISE_MEMORY_MAX_PER_CONTAINER: '14Gi' }],
    [{ memory: { reservedPerGpu: '4Gi' } }, { SLICEWISE_MEMORY_RESERVED_PER_GPU: '4Gi' }],
    [
      { gfd: { enabled: true, sleepInterval: '30s' } },
      { SLICEWISE_LABELS_OUTPUT: 'api', GFD_SLEEP_INTERVAL: '30s' },
    ],
    [
      { gfd: { enabled: true, output: 'file', noTimestamp: true } },
      { SLICEWISE_LABELS_OUTPUT: 'file', GFD_NO_TIMESTAMP: 'true' },
    ],
    [
      { cluster: { fastStatus: true } },
      { SLICEWISE_CLUSTER_ENABLED: 'true', SLICEWISE_CLUSTER_FAST_STATUS: 'true' },
    ],
    [{ driverAccess: 'privileged' }, { NVIDIA_VISIBLE_DEVICES: 'void' }],
    [{ extraEnv: [{ name: 'DP_DISABLE_HEALTHCHECKS', value: 'xids' }] }, { DP_DISABLE_HEALTHCHECKS: 'xids' }],
  ] as const)('%j tell the agent %j', async ([values, told]) => {
    expect(await environment(values)).toMatchObject(told);
  });

  test('of an older chart, without the keys that are new, are enough', async () => {
    const bare = { cdi: null, podMonitor: {}, networkPolicy: {}, updateStrategy: { type: 'OnDelete' } };
    const { code, stderr } = await helm(['template', 'slicewise', chart, ...where], { values: bare });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  describe('mount of the host what is used, and no more', () => {
    const always = ['device-plugins', 'pod-resources', 'state'];
    test.for([
      [{}, always],
      [{ deviceListStrategy: 'cdi-cri' }, [...always, 'cdi', 'driver-root']],
      [{ nvidiaDriverRoot: '/run/nvidia/driver' }, [...always, 'driver-root']],
      [{ driverAccess: 'volume-mounts' }, [...always, 'all-gpus']],
      [{ gfd: { enabled: true } }, always],
      [{ gfd: { enabled: true, output: 'file' } }, [...always, 'features']],
      [{ driverAccess: 'privileged' }, [...always, 'driver-root']],
    ] as const)('%j: %j', async ([values, names]) => {
      const { volumes, containers } = daemonSet(await render(values)).spec?.template.spec ?? {};
      expect(volumes?.map(({ name }) => name)).toEqual(names);
      expect(containers?.[0]?.volumeMounts?.map(({ name }) => name)).toEqual(names);
    });
  });

  test('give the agent a config for each node, picked by a label, and the rights to read it', async () => {
    const values = { config: { map: { default: 'version: v1', mig: 'version: v1' } } };
    expect(await environment(values)).toMatchObject({
      CONFIG_FILE_SRCDIR: '/configs',
      NODE_LABEL: 'nvidia.com/device-plugin.config',
      FALLBACK_STRATEGIES: 'named,single',
    });
    const objects = await render(values);
    expect(daemonSet(objects).spec?.template.spec).toMatchObject({
      serviceAccountName: 'slicewise',
      automountServiceAccountToken: true,
    });
    expect(kindsOf(objects).filter((name) => !name.includes('Policy'))).toEqual([
      'ClusterRole slicewise',
      'ClusterRoleBinding slicewise',
      'ConfigMap slicewise-configs',
      'DaemonSet slicewise',
      'Role slicewise',
      'RoleBinding slicewise',
      'ServiceAccount slicewise',
    ]);
  });

  test('give all nodes one config, and the agent no token, without a label', async () => {
    const values = { config: { name: 'mine', nodeLabel: '', default: 'gpus.yaml' } };
    expect(await environment(values)).toMatchObject({ CONFIG_FILE: '/configs/gpus.yaml' });
    const { spec } = daemonSet(await render(values)).spec?.template ?? {};
    expect(spec?.automountServiceAccountToken).toBe(false);
    expect(spec?.volumes?.find(({ name }) => name === 'configs')?.configMap?.name).toBe('mine');
  });

  test('leave each agent its own node, whatever the account is called, where it writes its status', async () => {
    const objects = await render({ cluster: { fastStatus: true }, serviceAccount: { name: 'gpu-agent' } });
    const policy = objects.find(({ metadata }) => metadata?.name === 'slicewise-own-node');
    expect(JSON.stringify(policy)).toContain("'system:serviceaccount:gpus:gpu-agent'");
    expect(kindsOf(objects)).toContain('ServiceAccount gpu-agent');
  });

  test('find the kubelet in another folder', async () => {
    const { volumes, containers } =
      daemonSet(await render({ kubeletRoot: '/data/kubelet' })).spec?.template.spec ?? {};
    expect(volumes?.[0]?.hostPath?.path).toBe('/data/kubelet/device-plugins');
    expect(containers?.[0]?.volumeMounts?.[0]?.mountPath).toBe('/var/lib/kubelet/device-plugins');
  });

  test('name it so that tools find it that were written for the plugin of NVIDIA', async () => {
    const { spec } = daemonSet(await render({ nameOverride: 'nvidia-device-plugin' }));
    expect(spec?.selector.matchLabels?.['app.kubernetes.io/name']).toBe('nvidia-device-plugin');
    expect(spec?.template.metadata?.labels?.['app.kubernetes.io/name']).toBe('nvidia-device-plugin');
  });

  test('choose nodes that are labelled as having GPUs, or what the admin says', async () => {
    const affinityOf = async (values: object) =>
      daemonSet(await render(values)).spec?.template.spec?.affinity;
    expect(await affinityOf({})).toBeUndefined();
    const labelled = JSON.stringify(await affinityOf({ nodes: 'labelled' }));
    for (const label of ['pci-10de.present', 'cpu-model.vendor_id', 'nvidia.com/gpu.present'])
      expect(labelled).toContain(label);
    const own = { podAntiAffinity: {} };
    expect(await affinityOf({ nodes: 'labelled', affinity: own })).toEqual(own);
  });

  test('bring the policies that the cluster can have', async () => {
    const policies = async (version: string, values: object = {}) =>
      kindsOf(await render(values, ['--namespace', 'gpus', '--kube-version', version])).filter(
        (name) => !name.startsWith('DaemonSet'),
      );
    expect(await policies('1.29.0')).toEqual([]);
    expect(await policies('1.30.0')).toHaveLength(6);
    expect(await policies('1.36.0', { policies: { bytes: true } })).toHaveLength(12);
    expect(await policies('1.30.0', { policies: { enabled: false } })).toEqual([]);
    expect(await policies('1.30.0', { memory: { enabled: false } })).toEqual([]);
    const withMaximum = await render({ memory: { maxPerContainer: '14Gi' } });
    expect(withMaximum.find(({ kind }) => kind === 'ConfigMap')).toMatchObject({
      metadata: { name: 'slicewise-gpu-memory', namespace: 'kube-system' },
      data: { maxPerContainer: '14Gi' },
    });
  });

  describe('are refused', () => {
    test.for([
      [{ nodes: 'some' }, "at '/nodes': value must be one of 'all', 'labelled'"],
      [{ policy: {} }, "additional properties 'policy' not allowed"],
      [{ httpPort: '9400' }, "at '/httpPort': got string, want integer"],
      [{ memory: { unit: 0 } }, "at '/memory/unit'"],
      [{ memory: { unit: '1GB' } }, "at '/memory/unit'"],
      [{ migStrategy: 'both' }, "at '/migStrategy'"],
      [{ deviceListStrategy: 'cdi' }, "at '/deviceListStrategy'"],
      [{ image: { digest: 'sha256:1' } }, "at '/image/digest'"],
      [{ namespaceOverride: 'default' }, "The namespace 'default' is for trying things out"],
      [{ updateStrategy: { rollingUpdate: { maxSurge: 0 } } }, 'no agent can ever be replaced'],
      [{ policies: { bytes: true }, memory: { enabled: false } }, 'memory.enabled is false'],
      [{ memory: { unit: '512Mi' } }, 'the policies count in units of 1Gi'],
      [
        { networkPolicy: { enabled: true }, devicePlugin: { enableHostNetwork: true } },
        'has no effect on pods with',
      ],
    ] as const)('%j: %s', async ([values, words]) => {
      const { code, stderr } = await helm(['template', 'slicewise', chart, ...where], { values });
      expect(code).toBe(1);
      expect(stderr).toContain(words);
    });
  });

  test.for([
    {},
    { deviceListStrategy: 'cdi-cri', migStrategy: 'mixed', runtimeClassName: 'nvidia', nodes: 'labelled' },
    { driverAccess: 'privileged', policies: { bytes: true }, memory: { maxPerContainer: '14Gi' } },
    {
      driverAccess: 'volume-mounts',
      seLinuxType: 'container_device_plugin_t',
      networkPolicy: { enabled: true },
    },
    {
      driverAccess: 'cdi',
      appArmorProfile: { type: 'Unconfined' },
      devicePlugin: { enableHostNetwork: true },
    },
  ])('are taken by a real API server as they are rendered: %j', async (values) => {
    await using node = await openClusterNode({ gpus: 1 });
    const args = ['--namespace', node.namespace, '--kube-version', '1.36.3'];
    const text = await helmOrThrow(['template', 'slicewise', chart, ...args], { values });
    // A field that the API server does not know is an error too.
    const command = ['create', '--dry-run=server', '--validate=strict', '--filename=-'];
    const said = execFileSync(node.cluster.programs.path('kubectl'), command, {
      input: text,
      encoding: 'utf8',
      // What it caches goes with the cluster.
      env: { KUBECONFIG: node.cluster.paths.kubeconfig, HOME: node.cluster.paths.state },
    });
    expect(said.trimEnd().split('\n').length).toBeGreaterThan(6);
  });
});

test('the policies in deploy/ are those of the chart', async () => {
  const deploy = join(import.meta.dirname, '../../deploy');
  const files = [...(await yamlFiles(join(deploy, 'policies'))), join(deploy, 'fast-status/own-node.yaml')];
  const own = await yamlFiles(join(chart, 'policies'));
  expect(files.map((file) => basename(file)).toSorted()).toEqual(
    own.map((file) => basename(file)).toSorted(),
  );
  const read = async (paths: readonly string[]) =>
    (await Promise.all(paths.map(async (path) => readFile(path, 'utf8')))).toSorted();
  expect(await read(files)).toEqual(await read(own));
});

async function yamlFiles(folder: string): Promise<readonly string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml'));
  return names.map((name) => join(folder, name));
}
