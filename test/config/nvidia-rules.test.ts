import { describe, expect, test } from 'vitest';
import { loadGood, problemsOf } from './loading.ts';

/** A rule of NVIDIA's config file (v0.20): what that plugin does with the text, and what is said of it here; empty: it is taken. */
type Row = readonly [text: string, nvidia: string, here: string | readonly string[]];

const sliced = (entry: string): string => `sharing: {timeSlicing: {resources: [${entry}]}}`;
const at = 'sharing.timeSlicing.resources[0]';
const long = `nvidia.com/${'x'.repeat(53)}`;
const replicasText = 'a whole number from 1 to 20000';
const nameText = 'a resource name such as nvidia.com/gpu, of at most 63 characters';
const referenceText =
  'a GPU index, a MIG index such as 0:1, GPU-<uuid>, MIG-<uuid> or MIG-GPU-<uuid>/<gpu instance>/<compute instance>';

const rules: Readonly<Record<string, readonly Row[]>> = {
  'names of resources': [
    [sliced('{name: gpu, replicas: 2}'), 'reads nvidia.com/gpu', ''],
    [
      sliced(`{name: ${long}, replicas: 2}`),
      'exits',
      `${at}.name: '${long}' is not allowed; allowed: ${nameText}`,
    ],
    [
      sliced('{name: nvidia.com/GPU, replicas: 2}'),
      'exits',
      `${at}.name: 'nvidia.com/GPU' is not allowed; allowed: ${nameText}`,
    ],
    [
      'resources: {gpus: [{pattern: "*", name: kubernetes.io/gpu}]}',
      'exits: only nvidia.com is taken',
      `resources.gpus[0].name: 'kubernetes.io/gpu' is not allowed; allowed: ${nameText}`,
    ],
    [
      `sharing: {timeSlicing: {renameByDefault: true, resources: [{name: ${long.slice(0, 60)}, replicas: 2}]}}`,
      'exits',
      `${at}.name: '${long.slice(0, 60)}' is not allowed; allowed: a name that is 4 characters shorter, so that ${long.slice(0, 60)}.shared has at most 63; or a rename`,
    ],
    [
      `resources: {gpus: [{pattern: "*", name: ${long.slice(0, 63)}}]}`,
      'drops it with a warning',
      `resources.gpus: the agent's socket for ${'x'.repeat(52)}, /var/lib/kubelet/device-plugins/slicewise-${'x'.repeat(52)}-xxxxxxxx.sock, would be 1 byte longer than the 107 that a unix socket may have; choose a shorter name`,
    ],
  ],
  'what a sharing block needs': [
    ['sharing: {timeSlicing: {}}', 'exits', 'sharing.timeSlicing.resources: missing; needed: a list'],
    [
      'sharing: {timeSlicing: {resources: []}}',
      'exits',
      'sharing.timeSlicing.resources: [] is not allowed; allowed: at least one',
    ],
    [sliced('{replicas: 2}'), 'exits', `${at}.name: missing; needed: ${nameText}`],
    [sliced('{name: gpu}'), 'exits', `${at}.replicas: missing; needed: ${replicasText}`],
  ],
  replicas: [
    [sliced('{name: gpu, replicas: 1}'), 'exits: 2 or more', ''],
    [sliced('{name: gpu, replicas: 20000}'), 'takes it', ''],
    ...['0', '-1', '1.5', '1000000000', '20001'].map((count): Row => [
      sliced(`{name: gpu, replicas: ${count}}`),
      Number(count) > 2 ? 'takes it; above some 60,000 the kubelet drops the list without a word' : 'exits',
      `${at}.replicas: ${Number(count)} is not allowed; allowed: ${replicasText}`,
    ]),
    [
      sliced('{name: gpu, devices: 8, replicas: 5000}'),
      'shares all devices',
      `${at}.replicas: 5000 is not allowed; allowed: at most 2500 for 8 devices: a resource has 20000 at most`,
    ],
    [
      sliced('{name: gpu, devices: [0, 1, 2], replicas: 10000}'),
      'shares all devices',
      `${at}.replicas: 10000 is not allowed; allowed: at most 6666 for 3 devices: a resource has 20000 at most`,
    ],
    [
      sliced('{name: gpu, devices: 20001, replicas: 1}'),
      'shares all devices',
      `${at}.devices: 20001 is not allowed; allowed: at most 20000 devices; 20001 are asked`,
    ],
  ],
  devices: [
    [sliced('{name: gpu, devices: all, replicas: 2}'), 'shares all devices', ''],
    [sliced('{name: gpu, devices: 3, replicas: 2}'), 'shares all devices', ''],
    [
      sliced(
        '{name: gpu, devices: [0, "1", "0:1", GPU-92c4159e-ceb3-d3f2-6478-6aad4fe5dff0, MIG-92c4159e-ceb3-d3f2-6478-6aad4fe5dff0, MIG-GPU-92c4159e-ceb3-d3f2-6478-6aad4fe5dff0/1/0], replicas: 2}',
      ),
      'shares all devices',
      '',
    ],
    [
      sliced('{name: gpu, devices: 0, replicas: 2}'),
      'exits',
      `${at}.devices: 0 is not allowed; allowed: all, a count above 0, or a list of GPU indexes, MIG indexes or UUIDs`,
    ],
    [
      sliced('{name: gpu, devices: [x], replicas: 2}'),
      'exits',
      `${at}.devices[0]: 'x' is not allowed; allowed: ${referenceText}`,
    ],
    [
      sliced('{name: gpu, devices: [0, 1, "0"], replicas: 2}'),
      'shares all devices',
      `${at}.devices[2]: '0' is not allowed; allowed: each device once; it stands at resources[0].devices[0]`,
    ],
    [
      sliced('{name: gpu, devices: [0], replicas: 2}, {name: gpu, devices: [0], replicas: 3}'),
      'shares all devices',
      `sharing.timeSlicing.resources[1].devices[0]: 0 is not allowed; allowed: each device once; it stands at resources[0].devices[0]`,
    ],
    [sliced('{name: gpu, devices: [0], replicas: 2}, {name: gpu, replicas: 3}'), 'shares all devices', ''],
    [
      sliced('{name: gpu, replicas: 3}, {name: nvidia.com/gpu, devices: [0], replicas: 2}'),
      'shares all devices',
      `sharing.timeSlicing.resources[1].name: 'nvidia.com/gpu' is not allowed; allowed: nothing after resources[0], which takes all devices of nvidia.com/gpu; move this entry before it`,
    ],
  ],
  rename: [
    [sliced('{name: gpu, rename: slice, replicas: 2}'), 'drops it', ''],
    [
      sliced('{name: gpu, rename: A, replicas: 2}'),
      'exits',
      `${at}.rename: 'A' is not allowed; allowed: ${nameText}`,
    ],
  ],
  'names by pattern': [
    [
      'resources: {gpus: [{pattern: "Tesla T4", name: t4}], mig: [{pattern: "1g.*", name: small}]}',
      'drops it with a warning',
      '',
    ],
    [
      'resources: {gpus: [{pattern: "*", name: gpu}, {pattern: "Tesla T4", name: t4}]}',
      'drops it with a warning',
      `resources.gpus[1].pattern: 'Tesla T4' is not allowed; allowed: a pattern that [0] does not fit: of several patterns the first counts, so this one never does`,
    ],
    [
      'resources: {mig: [{pattern: "1g.*", name: a}, {pattern: "1g.10gb*", name: b}]}',
      'drops it with a warning',
      `resources.mig[1].pattern: '1g.10gb*' is not allowed; allowed: a pattern that [0] does not fit: of several patterns the first counts, so this one never does`,
    ],
    [
      'resources: {gpus: [{pattern: "", name: a}]}',
      'exits',
      `resources.gpus[0].pattern: '' is not allowed; allowed: at least one`,
    ],
  ],
  'time-slicing and MPS': [
    [
      'sharing: {timeSlicing: {resources: [{name: gpu, replicas: 2}]}, mps: {resources: [{name: nvidia.com/gpu, replicas: 2}]}}',
      'shares by MPS and ignores time-slicing',
      [
        'sharing.timeSlicing: nvidia.com/gpu stands under sharing.mps too; a resource is shared in one way',
        'sharing.mps: not in this version yet; leave it out',
      ],
    ],
    [
      'sharing: {timeSlicing: {resources: [{name: gpu, replicas: 2}]}, mps: {resources: [{name: x, replicas: 2}]}}',
      'shares by MPS and ignores time-slicing',
      'sharing.mps: not in this version yet; leave it out',
    ],
  ],
  IMEX: [
    ['imex: {channelIDs: []}', 'takes it', ''],
    ['imex: {channelIDs: [0]}', 'takes it', ''],
    [
      'imex: {channelIDs: [0, 0]}',
      'exits',
      'imex.channelIDs: [ 0, 0 ] is not allowed; allowed: an empty list or [0]',
    ],
    ['imex: {channelIDs: [1]}', 'exits', 'imex.channelIDs[0]: 1 is not allowed; allowed: 0'],
  ],
  'what is excluded, which NVIDIA has not': [
    [
      'exclude: [0, "0:1", GPU-92c4159e-ceb3-d3f2-6478-6aad4fe5dff0, "0000:1b:00.0", "1b:00.0", DGX Display, "*T4"]',
      'ignores it',
      '',
    ],
    [
      'exclude: [GPU-1]',
      'ignores it',
      `exclude[0]: 'GPU-1' is not allowed; allowed: a GPU or MIG instance by index or UUID, a PCI address such as 0000:1b:00.0, or a product name, in which * stands for any characters`,
    ],
    ['exclude: [0, 0]', 'ignores it', 'exclude[1]: 0 is not allowed; allowed: each once; it stands at [0]'],
  ],
};

describe.each(Object.entries(rules))('%s', (_rule, rows) => {
  test.each(rows)('%s (NVIDIA: %s)', async (text, _nvidia, here) => {
    const [where, ...lines] = await problemsOf({ file: text });
    const expected = typeof here === 'string' ? [here].filter((line) => line !== '') : here;
    expect(lines.map((line) => line.replace(/^c\.yaml:\d+:\d+: /, ''))).toEqual(expected);
    expect(where).toBe(expected.length === 0 ? undefined : 'file');
  });
});

describe('what is in force when it is not said', () => {
  const slices = 'resources: [{name: gpu, replicas: 2}]';
  test.each([
    ['nothing', 'false', `sharing: {timeSlicing: {${slices}}}`, false],
    ['true', 'true', `sharing: {timeSlicing: {failRequestsGreaterThanOne: true, ${slices}}}`, true],
    ['false', 'false', `sharing: {timeSlicing: {failRequestsGreaterThanOne: false, ${slices}}}`, false],
  ])('failRequestsGreaterThanOne: %s (NVIDIA: %s)', async (_said, _nvidia, file, here) => {
    const { config } = await loadGood({ file });
    expect(config.sharing.timeSlicing?.failRequestsGreaterThanOne).toBe(here);
  });

  test('patterns (NVIDIA: GPUs * as nvidia.com/gpu, MIG instances by their profile): the same', async () => {
    const { config } = await loadGood({ file: 'version: v1' });
    expect(config.resources).toMatchObject({ gpus: [{ pattern: '*', name: 'nvidia.com/gpu' }] });
  });
});
