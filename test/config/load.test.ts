import { describe, expect, test } from 'vitest';
import type { ConfigSources } from '../../src/config/load.ts';
import { describeOrigin } from '../../src/config/problem.ts';
import type { SettingKey } from '../../src/config/settings.ts';
import { loadGood, problemsOf, type Given } from './loading.ts';

test('without anything given, every default is filled in and frozen', async () => {
  const { config, origins, notes } = await loadGood({});
  expect(config.flags.plugin).toEqual({
    passDeviceSpecs: false,
    deviceListStrategy: ['envvar'],
    deviceIDStrategy: 'uuid',
    cdiAnnotationPrefix: 'cdi.k8s.io/',
    nvidiaCTKPath: '/usr/bin/nvidia-ctk',
    containerDriverRoot: '/driver-root',
    sharedDevicesAllocationPolicy: 'distributed',
  });
  expect(config.flags.agent).toEqual({
    kubeletSocket: '/var/lib/kubelet/device-plugins/kubelet.sock',
    scenario: null,
    nvmlLibrary: null,
    nvidiaSmi: null,
    podResourcesSocket: '/var/lib/kubelet/pod-resources/kubelet.sock',
    stateDir: '/var/lib/slicewise',
    cdiRoot: '/var/run/cdi',
    sysfsRoot: '/sys',
    procfsRoot: '/proc',
    httpAddress: { host: null, port: 9400 },
    logLevel: 'info',
    rescanIntervalMs: 4000,
  });
  expect(config).toMatchObject({ version: 'v1', imex: { channelIDs: [], required: false } });
  expect(Object.isFrozen(config.flags.plugin.deviceListStrategy)).toBe(true);
  expect([...origins.values()].every(({ kind }) => kind === 'default')).toBe(true);
  expect(notes).toEqual([]);
});

describe('precedence, for each setting by itself', () => {
  const file = 'flags:\n  plugin:\n    deviceIDStrategy: index\n';
  const key: SettingKey = 'flags.plugin.deviceIDStrategy';
  const cases: readonly (Given & {
    readonly name: string;
    readonly value: string;
    readonly origin: string;
  })[] = [
    { name: 'default', value: 'uuid', origin: 'default' },
    { name: 'file over default', file, value: 'index', origin: 'c.yaml:3:23' },
    {
      name: 'env over file',
      file,
      env: { DEVICE_ID_STRATEGY: 'uuid' },
      value: 'uuid',
      origin: 'env DEVICE_ID_STRATEGY',
    },
    {
      name: 'flag over env and file',
      file,
      env: { DEVICE_ID_STRATEGY: 'uuid' },
      flags: { 'device-id-strategy': 'index' },
      value: 'index',
      origin: 'flag --device-id-strategy',
    },
    {
      name: 'an empty variable is not set',
      file,
      env: { DEVICE_ID_STRATEGY: '' },
      value: 'index',
      origin: 'c.yaml:3:23',
    },
    {
      name: 'another setting in the file stays',
      file,
      flags: { 'pass-device-specs': true },
      value: 'index',
      origin: 'c.yaml:3:23',
    },
  ];
  test.each(cases)('$name', async ({ value, origin, ...given }) => {
    const { config, origins } = await loadGood(given);
    expect(config.flags.plugin.deviceIDStrategy).toBe(value);
    expect(describeOrigin(origins.get(key)!)).toBe(origin);
  });

  test('a value of the file that a flag overrides may ask for a feature of later', async () => {
    const { config } = await loadGood({
      file: 'flags: {migStrategy: mixed}',
      flags: { 'mig-strategy': 'none' },
    });
    expect(config.flags.migStrategy).toBe('none');
  });

  test('the dev root follows the driver root until it is given', async () => {
    expect((await loadGood({ flags: { 'driver-root': '/run/nvidia' } })).config.flags.nvidiaDevRoot).toBe(
      '/run/nvidia',
    );
    const both = await loadGood({ flags: { 'driver-root': '/run/nvidia', 'dev-root': '/' } });
    expect(both.config.flags.nvidiaDevRoot).toBe('/');
  });
});

describe('values as text', () => {
  const cases: readonly [name: string, flags: ConfigSources['flags'], expected: unknown][] = [
    ['a switch alone', { 'pass-device-specs': true }, { flags: { plugin: { passDeviceSpecs: true } } }],
    ['a switch with a word', { 'gds-enabled': 'TRUE' }, { flags: { gdsEnabled: true } }],
    ['a switch off', { 'fail-on-init-error': 'false' }, { flags: { failOnInitError: false } }],
    [
      'a list with commas, repeated',
      { 'device-list-strategy': ['envvar, volume-mounts', 'envvar'] },
      { flags: { plugin: { deviceListStrategy: ['envvar', 'volume-mounts'] } } },
    ],
    ['numbers', { 'imex-channel-ids': ['0'] }, { imex: { channelIDs: [0] } }],
    ['HTTP off', { 'http-address': 'off' }, { flags: { agent: { httpAddress: null } } }],
    ['HTTP port 0', { 'http-address': ':0' }, { flags: { agent: { httpAddress: { host: null, port: 0 } } } }],
    [
      'HTTP host',
      { 'http-address': 'localhost:80' },
      { flags: { agent: { httpAddress: { host: 'localhost', port: 80 } } } },
    ],
    [
      'HTTP IPv6',
      { 'http-address': '[::1]:80' },
      { flags: { agent: { httpAddress: { host: '::1', port: 80 } } } },
    ],
    ['a duration', { 'rescan-interval': '1.5s' }, { flags: { agent: { rescanIntervalMs: 1500 } } }],
  ];
  test.each(cases)('%s', async (_name, flags, expected) => {
    expect((await loadGood({ flags })).config).toMatchObject(expected as object);
  });

  test('off in the file, also as Helm writes it', async () => {
    for (const word of ['off', '"off"', 'false']) {
      const { config } = await loadGood({ file: `flags: {agent: {httpAddress: ${word}}}` });
      expect(config.flags.agent.httpAddress).toBeNull();
    }
  });
});

describe('accepted in the file', () => {
  const cases: readonly [name: string, file: string][] = [
    ['nothing', ''],
    ['a comment', '# nothing\n'],
    ['no version', 'flags: {}'],
    ['an empty version', 'version: ""'],
    ['keys without a value', 'flags:\n  plugin:\n  migStrategy:\nmemory:\n'],
    [
      'what asks for no feature',
      'flags: {migStrategy: none}\nmemory: {enabled: true}\nsharing: {}\nresources: {mig: []}\n',
    ],
    ['the default resource', "resources: {gpus: [{pattern: '*', name: nvidia.com/gpu}]}"],
    ['a resource without its domain', "resources: {gpus: [{pattern: '*', name: gpu}]}"],
    ['JSON', '{"version": "v1", "flags": {"plugin": {"deviceListStrategy": "envvar"}}}'],
    ['merge keys', 'flags:\n  plugin: &p {passDeviceSpecs: false}\n  <<: {gdsEnabled: false}\n'],
    ['where MPS would be', 'flags: {mpsRoot: /run/nvidia/mps}'],
  ];
  test.each(cases)('%s', async (_name, file) => {
    const { config } = await loadGood({ file });
    const { flags, ...rest } = config;
    const defaults = (await loadGood({})).config;
    expect({ ...rest, flags: { ...flags, mpsRoot: '' } }).toEqual(defaults);
  });
});

describe('room for sockets', () => {
  // <folder>/slicewise-gpu-memory-xxxxxxxx.sock: 35 bytes after the folder; without -memory 28.
  const folderOf = (bytes: number): string => `/${'d'.repeat(bytes - 1)}`;

  test('the longest folder that fits, and one byte more', async () => {
    const under = (bytes: number) => ({ 'kubelet-socket': `${folderOf(bytes)}/kubelet.sock` });
    const tooLong = /would be 1 byte longer than the 107 that a unix socket may have/;
    expect(await problemsOf({ flags: under(72) })).toEqual([]);
    expect((await problemsOf({ flags: under(73) }))[1]).toMatch(tooLong);
    const wholeOnly = { 'memory-enabled': 'false' };
    expect(await problemsOf({ flags: { ...under(79), ...wholeOnly } })).toEqual([]);
    expect((await problemsOf({ flags: { ...under(80), ...wholeOnly } }))[1]).toMatch(tooLong);
  });

  test("the kubelet's own name may be the longer one", async () => {
    const problems = await problemsOf({ flags: { 'kubelet-socket': `/${'k'.repeat(110)}` } });
    expect(problems[1]).toContain('the path is 4 bytes longer');
  });
});

test('flags that need something of a file that is yet to be read are no problem', async () => {
  const flags = { 'device-discovery-strategy': 'simulated', 'config-file': 'c.yaml' };
  expect(await problemsOf({ flags })).toEqual([]);
  expect(await problemsOf({ flags, file: 'flags: {agent: {scenario: a100x8}}' })).toEqual([]);
  expect(await problemsOf({ flags, file: '' })).toEqual(['command-line', expect.stringContaining('needs')]);
});

test('memory by flags, by variables and by the file alike', async () => {
  const memory = {
    enabled: true,
    unitMiB: 512,
    reservedPerGpuMiB: 4096,
    devices: ['0', '3'],
    maxPerContainerMiB: 40_960,
    fit: 'sum',
    override: [{ devices: ['1'], total: 16_384 }],
    frameworkEnv: true,
    releaseDelayMs: 5000,
  };
  const texts = {
    enabled: 'true',
    unit: '512Mi',
    'reserved-per-gpu': '4Gi',
    devices: '0,3',
    'max-per-container': '40Gi',
    fit: 'sum',
    override: '1=16Gi',
    'framework-env': 'true',
    'release-delay': '5s',
  };
  const entries = Object.entries(texts);
  const flags = Object.fromEntries(entries.map(([name, text]) => [`memory-${name}`, text]));
  const env = Object.fromEntries(
    entries.map(([name, text]) => [`SLICEWISE_MEMORY_${name.replaceAll('-', '_').toUpperCase()}`, text]),
  );
  const file = `memory: {enabled: true, unit: 512Mi, reservedPerGpu: 4Gi, devices: [0, 3], maxPerContainer: 40Gi, fit: sum, override: [{devices: [1], total: 16Gi}], frameworkEnv: true, releaseDelay: 5s}`;
  for (const given of [{ flags }, { env }, { file }])
    expect((await loadGood(given)).config.memory).toEqual(memory);
});

test('a cap below one unit, and a unit of nothing', async () => {
  const flags = { 'memory-max-per-container': '512Mi' };
  expect((await problemsOf({ flags }))[1]).toContain('512Mi is less than one unit of 1Gi (memory.unit)');
  expect(await problemsOf({ flags: { ...flags, 'memory-unit': '512Mi' } })).toEqual([]);
  expect(await problemsOf({ flags: { ...flags, 'memory-enabled': 'false' } })).toEqual([]);
  expect((await problemsOf({ flags: { 'memory-unit': '0' } }))[1]).toContain('an amount of memory above 0');
});

test.each([
  ['1', 'memory.override[0].total'],
  ['1=16GB', 'memory.override[0].total'],
  ['GPU-1=16Gi', 'memory.override[0].devices[0]'],
  ['1=16Gi=2', 'memory.override[0].total'],
])('--memory-override %s is refused at %s', async (text, place) => {
  expect((await problemsOf({ flags: { 'memory-override': text } }))[1]).toContain(place);
});

test('notes tell that fastStatus alone does nothing', async () => {
  expect((await loadGood({ file: 'cluster: {fastStatus: true}' })).notes).toEqual([
    'cluster.fastStatus has no effect: cluster.enabled is false.',
  ]);
  expect((await loadGood({ file: 'cluster: {enabled: true, fastStatus: true}' })).notes).toEqual([]);
});

test('notes tell that labels at the API server need the API server', async () => {
  expect((await loadGood({ file: 'labels: {output: api}' })).notes).toEqual([
    'labels.output api has no effect: cluster.enabled is false.',
  ]);
  expect((await loadGood({ file: '{cluster: {enabled: true}, labels: {output: api}}' })).notes).toEqual([]);
  expect((await loadGood({ file: 'labels: {output: file}' })).notes).toEqual([]);
});

test('notes tell what is taken and acts otherwise', async () => {
  const { notes } = await loadGood({
    flags: { 'device-id-strategy': 'index', 'fail-on-init-error': true },
  });
  expect(notes.map((note) => note.split(' ').slice(0, 3).join(' '))).toEqual([
    'flags.plugin.deviceIDStrategy index cannot',
    'flags.failOnInitError true does',
  ]);
});

test.each([
  [{ 'device-list-strategy': 'cdi-cri' }, ['needs a container runtime that knows CDI']],
  [
    { 'device-list-strategy': 'cdi-cri,cdi-annotations', 'pass-device-specs': true },
    ['cdi-cri, cdi-annotations needs', 'passDeviceSpecs has no effect'],
  ],
  [{ 'device-list-strategy': 'envvar,cdi-cri', 'pass-device-specs': true }, ['cdi-cri needs']],
  [
    {
      'device-list-strategy': 'cdi-cri',
      'cdi-feature-flags': 'disable-nvsandboxutils,disable-ipc-discoverer',
    },
    ['cdi-cri needs', 'disable-nvsandboxutils changes nothing'],
  ],
  [{ 'cdi-disable-hooks': 'all' }, ['--cdi-disable-hooks has no effect']],
])('notes on CDI: %j', async (flags, expected) => {
  const { notes } = await loadGood({ flags });
  expect(notes).toEqual(expected.map((part) => expect.stringContaining(part)));
});

test('notes on CDI: what the toolkit describes is not ours to shape', async () => {
  const { notes } = await loadGood({
    flags: { 'device-list-strategy': 'cdi-cri', 'cdi-disable-hooks': 'all' },
    file: 'cdi: {spec: toolkit}',
  });
  expect(notes).toEqual([
    expect.stringContaining('knows CDI'),
    expect.stringContaining('--cdi-disable-hooks has no effect'),
  ]);
});

test.each([
  ['auto', ['flags.agent.scenario is set: simulated GPUs stand in for the real ones of this node.']],
  ['nvml', ['flags.agent.scenario has no effect: flags.deviceDiscoveryStrategy is nvml.']],
  ['smi', ['flags.agent.scenario has no effect: flags.deviceDiscoveryStrategy is smi.']],
  ['simulated', []],
])('a scenario with the discovery strategy %s: a note of what it does', async (strategy, expected) => {
  const flags = { 'device-discovery-strategy': strategy, scenario: 'a100x8' };
  expect((await loadGood({ flags })).notes).toEqual(expected);
});

test('flags alone may lack what the config that is picked later has', async () => {
  const flags = { 'device-discovery-strategy': 'simulated', 'config-dir': '/configs' };
  expect((await loadGood({ flags })).config.flags.deviceDiscoveryStrategy).toBe('simulated');
});

test('a default config without a folder to pick from: a note that it has no effect', async () => {
  const env = { DEFAULT_CONFIG: 'a100' };
  expect((await loadGood({ env })).notes).toEqual([
    expect.stringContaining('no effect without --config-dir'),
  ]);
  expect((await loadGood({ env: { ...env, CONFIG_FILE_SRCDIR: '/configs' } })).notes).toEqual([]);
});
