import { describe, expect, test } from 'vitest';
import { problemsOf, type Given } from './loading.ts';

describe('refused on the command line', () => {
  const cases: readonly [Given, string][] = [
    [
      { flags: { 'mig-strategy': 'foo' } },
      "flag --mig-strategy: flags.migStrategy: 'foo' is not allowed; allowed: none, single, mixed",
    ],
    [
      { env: { PASS_DEVICE_SPECS: 'yes' } },
      "env PASS_DEVICE_SPECS: flags.plugin.passDeviceSpecs: 'yes' is not allowed; allowed: true, false",
    ],
    [
      { env: { SLICEWISE_SCENARO: 'x' } },
      'env SLICEWISE_SCENARO: there is no such variable; did you mean SLICEWISE_SCENARIO?',
    ],
    [
      { env: { SLICEWISE_PORT_NAME: 'x' } },
      'env SLICEWISE_PORT_NAME: there is no such variable; the agent knows no such variable',
    ],
    [
      { flags: { 'mig-stategy': 'none' } },
      'flag --mig-stategy: there is no such flag; did you mean --mig-strategy?',
    ],
    [
      { flags: { 'device-discovery-strategy': 'tegra' } },
      "flag --device-discovery-strategy: flags.deviceDiscoveryStrategy: 'tegra' is not in this version yet; allowed now: auto, nvml, smi, simulated",
    ],
    [
      { flags: { 'cdi-feature-flags': ['disable-ipc-discoverer', 'enable-coherent-annotations'] } },
      "flag --cdi-feature-flags: --cdi-feature-flags: [ 'disable-ipc-discoverer', 'enable-coherent-annotations' ] is not in this version yet; allowed now: enable-explicit-driver-libraries, disable-ipc-discoverer, no-additional-gids-for-device-nodes, disable-nvsandboxutils, disable-multiple-csv-devices",
    ],
    [
      { env: { CDI_DISABLE_HOOKS: 'update-ldcach' } },
      "env CDI_DISABLE_HOOKS: --cdi-disable-hooks: [ 'update-ldcach' ] is not allowed; allowed: one or more of all, create-symlinks, enable-cuda-compat, update-ldcache, disable-device-node-modification, update-application-profile, chmod",
    ],
    [
      { flags: { 'imex-channel-ids': '1' } },
      'flag --imex-channel-ids: imex.channelIDs[0]: 1 is not allowed; allowed: 0',
    ],
    [
      { flags: { 'imex-channel-ids': '0,0' } },
      'flag --imex-channel-ids: imex.channelIDs: [ 0, 0 ] is not allowed; allowed: an empty list or [0]',
    ],
    [
      { flags: { 'rescan-interval': '31s' } },
      "flag --rescan-interval: flags.agent.rescanInterval: '31s' is not allowed; allowed: a duration 1s to 30s, for example 10s or 1m30s",
    ],
    [
      { flags: { 'kubelet-socket': '' } },
      "flag --kubelet-socket: flags.agent.kubeletSocket: '' is not allowed; allowed: a path",
    ],
    [
      { flags: { 'driver-root': 'run' } },
      "flag --driver-root: flags.nvidiaDriverRoot: 'run' is not allowed; allowed: an absolute path",
    ],
    [
      { flags: { 'http-address': ':65536' } },
      "flag --http-address: flags.agent.httpAddress: ':65536' is not allowed; allowed: off, :port, host:port, [IPv6 address]:port",
    ],
    [
      { flags: { 'device-discovery-strategy': 'simulated' } },
      "flag --device-discovery-strategy: flags.deviceDiscoveryStrategy: 'simulated' needs flags.agent.scenario (--scenario): the name of a preset or the path of a scenario file",
    ],
    [
      { flags: { 'config-file': '/c.yaml' }, env: { CONFIG_FILE_SRCDIR: '/configs' } },
      'env CONFIG_FILE_SRCDIR: --config-dir: there is a config file as well (--config-file, CONFIG_FILE); give the file for all nodes or the folder to pick from, not both',
    ],
    [
      { flags: { 'node-label': 'a/b/c' } },
      "flag --node-label: --node-label: 'a/b/c' is not allowed; allowed: the name of a label such as nvidia.com/device-plugin.config, or nothing",
    ],
    [
      { env: { FALLBACK_STRATEGIES: 'named,first' } },
      "env FALLBACK_STRATEGIES: --fallback-strategies: [ 'named', 'first' ] is not allowed; allowed: one or more of named, single, empty",
    ],
  ];
  test.each(cases)('%j', async (given, line) => {
    expect(await problemsOf(given)).toEqual(['command-line', line]);
  });

  test('variables that the kubelet makes from Services are left alone', async () => {
    const env = {
      SLICEWISE_SERVICE_HOST: '10.0.0.1',
      SLICEWISE_METRICS_SERVICE_PORT_HTTP: '9400',
      SLICEWISE_PORT: 'tcp://10.0.0.1:9400',
      SLICEWISE_METRICS_PORT_9400_TCP_ADDR: '10.0.0.1',
    };
    expect(await problemsOf({ env })).toEqual([]);
  });
});

describe('refused in the file', () => {
  const cases: readonly [name: string, file: string, line: unknown][] = [
    ['syntax', 'flags: [', expect.stringContaining('c.yaml:1:9: no YAML: ')],
    ['two documents', 'version: v1\n---\nversion: v1\n', expect.stringContaining('c.yaml:2:1: no YAML: ')],
    ['no map', '- a', "c.yaml:1:1: [ 'a' ] is not allowed; allowed: a map of keys and values"],
    [
      'a section that is no map',
      'flags: 3',
      'c.yaml:1:8: flags: 3 is not allowed; allowed: a map of keys and values',
    ],
    ['version', 'version: v2', "c.yaml:1:10: version: 'v2' is not allowed; allowed: v1"],
    [
      'misspelt key',
      'flags:\n  migStratgy: none',
      'c.yaml:2:3: flags.migStratgy: there is no such key; did you mean flags.migStrategy?',
    ],
    [
      'key in another case',
      'flags: {migstrategy: none}',
      'c.yaml:1:9: flags.migstrategy: there is no such key; did you mean flags.migStrategy?',
    ],
    [
      'key at the wrong place',
      'flags: {passDeviceSpecs: true}',
      'c.yaml:1:9: flags.passDeviceSpecs: there is no such key; did you mean flags.plugin.passDeviceSpecs?',
    ],
    [
      'unknown key',
      'bogus: 1',
      expect.stringContaining('c.yaml:1:1: bogus: there is no such key; known here: '),
    ],
    [
      'key twice',
      'imex:\n  required: false\n  required: true',
      'c.yaml:3:3: imex.required: the key stands here for the second time, first in line 2; keep one',
    ],
    [
      'word of YAML 1.1',
      'imex: {required: yes}',
      "c.yaml:1:18: imex.required: 'yes' is not allowed; allowed: true, false",
    ],
    [
      'control characters',
      'flags: {migStrategy: "\\e[31m\\u202e"}',
      "c.yaml:1:22: flags.migStrategy: '\\x1B[31m\\u{202e}' is not allowed; allowed: none, single, mixed",
    ],
    [
      'discovery of later',
      'flags: {deviceDiscoveryStrategy: tegra}',
      "c.yaml:1:34: flags.deviceDiscoveryStrategy: 'tegra' is not in this version yet; allowed now: auto, nvml, smi, simulated",
    ],
    [
      'an unknown source of CDI names',
      'cdi: {spec: managed}',
      "c.yaml:1:13: cdi.spec: 'managed' is not allowed; allowed: own, toolkit, auto",
    ],
    [
      'sharing of later',
      'sharing: {mps: {resources: [{name: nvidia.com/gpu, replicas: 4}]}}',
      'c.yaml:1:16: sharing.mps: not in this version yet; leave it out',
    ],
    [
      'sharing without resources',
      'sharing: {timeSlicing: {}}',
      'c.yaml:1:24: sharing.timeSlicing.resources: missing; needed: a list',
    ],
    [
      'too few replicas',
      'sharing: {mps: {resources: [{name: gpu, replicas: 0}]}}',
      'c.yaml:1:51: sharing.mps.resources[0].replicas: 0 is not allowed; allowed: a whole number from 1 to 20000',
    ],
    [
      'unknown key inside',
      'sharing: {mps: {resources: [{name: gpu, replicas: 2, x: 1}]}}',
      'c.yaml:1:57: sharing.mps.resources[0].x: there is no such key; known here: name, rename, devices, replicas',
    ],
    [
      'bad device',
      'sharing: {mps: {resources: [{name: gpu, replicas: 2, devices: [GPU-1]}]}}',
      "c.yaml:1:64: sharing.mps.resources[0].devices[0]: 'GPU-1' is not allowed; allowed: a GPU index, a MIG index such as 0:1, GPU-<uuid>, MIG-<uuid> or MIG-GPU-<uuid>/<gpu instance>/<compute instance>",
    ],
    [
      'bad resource name',
      'resources: {mig: [{pattern: "*", name: Foo}]}',
      "c.yaml:1:40: resources.mig[0].name: 'Foo' is not allowed; allowed: a resource name such as nvidia.com/gpu, of at most 63 characters",
    ],
    [
      'bad node name',
      'cluster: {nodeName: GPU_1}',
      "c.yaml:1:21: cluster.nodeName: 'GPU_1' is not allowed; allowed: the name of a node, such as gpu-1",
    ],
    [
      'bad amount',
      'memory: {unit: 3}',
      'c.yaml:1:16: memory.unit: 3 is not allowed; allowed: an amount of memory in whole MiB or GiB, for example 512Mi or 4Gi',
    ],
    [
      'GFD of later',
      'flags: {gfd: {oneshot: true}}',
      'c.yaml:1:24: flags.gfd.oneshot: true is not in this version yet; allowed now: false, the default',
    ],
    [
      'a class in the place of an XID',
      'health: {xids: {unhealthy: [reset]}}',
      "c.yaml:1:29: health.xids.unhealthy[0]: 'reset' is not allowed; allowed: a number",
    ],
    [
      'an XID below 1',
      'health: {xids: {ignore: [-1]}}',
      'c.yaml:1:26: health.xids.ignore[0]: -1 is not allowed; allowed: 1 or more',
    ],
    [
      'classes of XIDs',
      'health: {xids: {classes: {reset: ignore}}}',
      'c.yaml:1:26: health.xids.classes: there is no such key; known here: ignore, unhealthy',
    ],
    [
      'an XID that is to count and not to count',
      'health: {xids: {unhealthy: [94], ignore: [94]}}',
      'c.yaml:1:16: health.xids: XID 94 stands under ignore and under unhealthy; keep one',
    ],
  ];
  test.each(cases)('%s', async (_name, file, line) => {
    const problems = await problemsOf({ file });
    expect(problems).toEqual(['file', line]);
  });

  test('time-slicing and MPS together', async () => {
    const block = '{resources: [{name: gpu, replicas: 2}]}';
    expect(await problemsOf({ file: `sharing: {timeSlicing: ${block}, mps: ${block}}` })).toContain(
      'c.yaml:1:24: sharing.timeSlicing: nvidia.com/gpu stands under sharing.mps too; a resource is shared in one way',
    );
  });

  test('more than a MiB, an alias bomb, and nesting without end', async () => {
    expect((await problemsOf({ file: `#${'x'.repeat(1024 * 1024)}` }))[1]).toContain('has 1048577 bytes');
    const bomb = [
      'a0: &a0 [x, x]',
      ...Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`),
    ];
    expect((await problemsOf({ file: bomb.join('\n') }))[1]).toContain('no YAML: ');
    expect((await problemsOf({ file: '['.repeat(20_000) }))[1]).toContain('no YAML: ');
  });

  test('a file full of faults is not told in full', async () => {
    const keys = Array.from({ length: 5000 }, (_, index) => `key${index}: 1`).join('\n');
    const problems = await problemsOf({ file: keys });
    expect(problems).toHaveLength(102);
    expect(problems.at(-1)).toContain('only the first 100 problems');
  });

  test('all problems of all sources come at once, and the command line decides the place', async () => {
    const problems = await problemsOf({
      flags: { 'mig-strategy': 'foo' },
      env: { SLICEWISE_X: '1' },
      file: 'cluster: {nodeName: GPU_1}\nbogus: 1\nimex: {required: maybe}\n',
    });
    expect(problems.map((line) => line.split(': ')[0])).toEqual([
      'command-line',
      'flag --mig-strategy',
      'env SLICEWISE_X',
      'c.yaml:1:21',
      'c.yaml:2:1',
      'c.yaml:3:18',
    ]);
  });
});
