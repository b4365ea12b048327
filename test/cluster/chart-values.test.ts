import type { KubernetesObject, V1ClusterRole, V1Pod } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { chart, helm, helmOrThrow } from './support/helm.ts';
import { dryRun } from './support/dry-run.ts';
import { onCluster } from './support/on-cluster.ts';
import { daemonSet, renderChart, renderInstalled, where } from './support/rendered-chart.ts';

/** Environment of the agent by name, without what comes from fields. */
async function environment(values: object): Promise<Readonly<Record<string, string | undefined>>> {
  const [agent] = daemonSet(await renderInstalled(values)).spec?.template.spec?.containers ?? [];
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

  describe('mount of the host what is used, and no more', () => {
    const always = ['device-plugins', 'pod-resources', 'state'];
    test.for([
      [{}, always],
      [{ deviceListStrategy: 'cdi-cri' }, [...always, 'cdi', 'driver-root']],
      // A config that the chart does not see may ask for CDI.
      [{ config: { name: 'mine' } }, [...always, 'configs', 'cdi', 'driver-root']],
      [{ config: { name: 'mine' }, deviceListStrategy: 'envvar' }, [...always, 'configs']],
      [{ nvidiaDriverRoot: '/run/nvidia/driver' }, [...always, 'driver-root']],
      [{ driverAccess: 'volume-mounts' }, [...always, 'all-gpus']],
      [{ gfd: { enabled: true } }, always],
      [{ gfd: { enabled: true, output: 'file' } }, [...always, 'features']],
      [{ driverAccess: 'privileged' }, [...always, 'driver-root']],
    ] as const)('%j: %j', async ([values, names]) => {
      const { volumes, containers } = daemonSet(await renderInstalled(values)).spec?.template.spec ?? {};
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
    const objects = await renderInstalled(values);
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

  test.for(['1', 'true', 'null'])('hand on a config and a label that are called %s', async (name) => {
    const map = { [name]: 'version: v1' };
    expect(await environment({ config: { map, default: name, nodeLabel: name } })).toMatchObject({
      DEFAULT_CONFIG: name,
      NODE_LABEL: name,
    });
    expect(await environment({ config: { map, default: name, nodeLabel: '' } })).toMatchObject({
      CONFIG_FILE: `/configs/${name}`,
    });
  });

  test('give all nodes one config, and the agent no token, without a label', async () => {
    const values = { config: { name: 'mine', nodeLabel: '', default: 'gpus.yaml' } };
    expect(await environment(values)).toMatchObject({ CONFIG_FILE: '/configs/gpus.yaml' });
    const { spec } = daemonSet(await renderInstalled(values)).spec?.template ?? {};
    expect(spec).toMatchObject({ automountServiceAccountToken: false, serviceAccountName: 'default' });
    expect(spec?.volumes?.find(({ name }) => name === 'configs')?.configMap?.name).toBe('mine');
  });

  test('leave each agent its own node, whatever the account is called, where it writes its status', async () => {
    const objects = await renderInstalled({
      cluster: { fastStatus: true },
      serviceAccount: { name: 'gpu-agent' },
    });
    const policy = objects.find(({ metadata }) => metadata?.name === 'slicewise-own-node');
    expect(JSON.stringify(policy)).toContain("'system:serviceaccount:gpus:gpu-agent'");
    expect(kindsOf(objects)).toContain('ServiceAccount gpu-agent');
  });

  test('tell of sick GPUs as the values say and in no other way, with the rights for that alone', async () => {
    const rightsOf = async (health: object) => {
      const objects = await renderInstalled({ health });
      const role: V1ClusterRole | undefined = objects.find(({ kind }) => kind === 'ClusterRole');
      return (role?.rules ?? []).map(({ resources, verbs }) => `${resources?.join()}: ${verbs.join()}`);
    };
    expect(await rightsOf({})).toEqual([]);
    expect(await rightsOf({ condition: true })).toEqual(['nodes/status: get,patch']);
    expect(await rightsOf({ events: true })).toEqual(['events: create,patch']);
    expect(await rightsOf({ taint: true })).toEqual(['nodes: get,patch']);
    expect(await rightsOf({ ackAnnotation: true })).toEqual(['nodes: list,watch']);
    expect(await environment({ health: { events: true } })).toMatchObject({
      SLICEWISE_CLUSTER_ENABLED: 'true',
      SLICEWISE_HEALTH_CONDITION: 'false',
      SLICEWISE_HEALTH_EVENTS: 'true',
      SLICEWISE_HEALTH_TAINT: 'false',
      SLICEWISE_HEALTH_ACK_ANNOTATION: 'false',
    });
    expect(await environment({ cluster: { fastStatus: true } })).toMatchObject({
      SLICEWISE_HEALTH_CONDITION: 'false',
      SLICEWISE_HEALTH_EVENTS: 'false',
    });
    const toleratedBy = async (health: object) =>
      (daemonSet(await renderInstalled({ health })).spec?.template.spec?.tolerations ?? []).map(
        ({ key }) => key,
      );
    expect(await toleratedBy({ taint: true })).toEqual([
      ...(await toleratedBy({})),
      'slicewise.io/gpu-unhealthy',
    ]);
    const policies = async (health: object) =>
      kindsOf(await renderInstalled({ health })).filter((name) => name.includes('own-node'));
    expect(await policies({ taint: true })).toHaveLength(2);
    expect(await policies({ events: true, ackAnnotation: true })).toEqual([]);
  });

  test('leave each agent its own Events, for whatever it may write some', async () => {
    const narrowed = async (values: object) =>
      kindsOf(await renderInstalled(values)).filter((name) => name.includes('own-events'));
    const both = [
      'ValidatingAdmissionPolicy slicewise-own-events',
      'ValidatingAdmissionPolicyBinding slicewise-own-events',
    ];
    expect(await narrowed({ health: { events: true } })).toEqual(both);
    expect(await narrowed({ config: { map: { default: 'version: v1' } } })).toEqual(both);
    expect(await narrowed({ config: { name: 'mine' } })).toEqual(both);
    expect(await narrowed({ config: { name: 'mine', nodeLabel: '' } })).toEqual([]);
    expect(await narrowed({ health: { condition: true } })).toEqual([]);
  });

  test('let a second release stand beside the first, but for the policies of GPU memory', async () => {
    const values = { cluster: { fastStatus: true }, health: { events: true }, policies: { enabled: false } };
    const first = kindsOf(await renderInstalled(values));
    const second = kindsOf(await renderInstalled({ ...values, fullnameOverride: 'second' }));
    expect(second).toHaveLength(first.length);
    expect(first.filter((name) => second.includes(name))).toEqual([]);
  });

  test('find the kubelet in another folder', async () => {
    const { volumes, containers } =
      daemonSet(await renderInstalled({ kubeletRoot: '/data/kubelet' })).spec?.template.spec ?? {};
    expect(volumes?.[0]?.hostPath?.path).toBe('/data/kubelet/device-plugins');
    expect(containers?.[0]?.volumeMounts?.[0]?.mountPath).toBe('/var/lib/kubelet/device-plugins');
  });

  test('name it so that tools find it that were written for the plugin of NVIDIA', async () => {
    const { spec } = daemonSet(await renderInstalled({ nameOverride: 'nvidia-device-plugin' }));
    expect(spec?.selector.matchLabels?.['app.kubernetes.io/name']).toBe('nvidia-device-plugin');
    expect(spec?.template.metadata?.labels?.['app.kubernetes.io/name']).toBe('nvidia-device-plugin');
  });

  test('choose nodes that are labelled as having GPUs, or what the admin says', async () => {
    const affinityOf = async (values: object) =>
      daemonSet(await renderInstalled(values)).spec?.template.spec?.affinity;
    expect(await affinityOf({})).toBeUndefined();
    const labelled = JSON.stringify(await affinityOf({ nodes: 'labelled' }));
    for (const label of ['pci-10de.present', 'cpu-model.vendor_id', 'nvidia.com/gpu.present'])
      expect(labelled).toContain(label);
    const own = { podAntiAffinity: {} };
    expect(await affinityOf({ nodes: 'labelled', affinity: own })).toEqual(own);
  });

  test('bring the policies that the cluster can have', async () => {
    const policies = async (version: string, values: object = {}) =>
      kindsOf(await renderInstalled(values, ['--namespace', 'gpus', '--kube-version', version])).filter(
        (name) => !name.startsWith('DaemonSet'),
      );
    expect(await policies('1.29.0')).toEqual([]);
    expect(await policies('1.30.0')).toHaveLength(8);
    expect(await policies('1.36.0', { policies: { bytes: true } })).toHaveLength(14);
    expect(await policies('1.30.0', { policies: { enabled: false } })).toEqual([]);
    expect(await policies('1.30.0', { memory: { enabled: false } })).toEqual([]);
    expect(await policies('1.30.0', { devicePlugin: { enabled: false } })).toEqual([]);
    const withMaximum = await renderInstalled({ memory: { maxPerContainer: '14Gi' } });
    const max = withMaximum.find(({ metadata }) => metadata?.name === 'slicewise-gpu-memory-max');
    expect(max).toHaveProperty(['spec', 'variables', 0], { name: 'max', expression: "'14Gi'" });
    expect(max).not.toHaveProperty(['spec', 'paramKind']);
  });

  test.for([
    {},
    { cluster: { fastStatus: true }, gfd: { enabled: true } },
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
    { config: { map: { 1: 'version: v1' }, default: '1' } },
  ])('are taken by a real API server as they are rendered: %j', async (values) => {
    await using node = await openClusterNode({ gpus: 1 });
    const args = ['--namespace', node.namespace, '--kube-version', '1.36.3', '--no-hooks'];
    const text = await helmOrThrow(['template', 'slicewise', chart, ...args], { values });
    expect(dryRun(node, text).length).toBeGreaterThan(6);
  });

  test('give helm test a pod that a real API server takes, by the rules for pods without rights', async () => {
    await using node = await openClusterNode({ gpus: 1 });
    const objects = await renderChart({ test: { limits: { 'nvidia.com/gpu': 1 } } });
    const pod = objects.find(({ kind }) => kind === 'Pod') as V1Pod;
    Object.assign(pod, { metadata: { name: 'test', namespace: node.namespace } });
    // Its own account is there only while it runs.
    Object.assign(pod.spec ?? {}, { serviceAccountName: 'default' });
    const enforce = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await node.api.replaceNamespace({
      name: node.namespace,
      body: { metadata: { name: node.namespace, labels: enforce } },
    });
    expect(dryRun(node, JSON.stringify(pod))).toEqual(['pod/test created (server dry run)']);
  });
});
