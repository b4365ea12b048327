import { describe, expect, test } from 'vitest';
import { compareWithNvidia, type Comparison } from '../../src/config/nvidia-differences.ts';

async function compare(text: string): Promise<Comparison> {
  return compareWithNvidia({ path: 'n.yaml', text });
}

async function rowsOf(text: string): Promise<readonly string[]> {
  const compared = await compare(text);
  if (compared.kind === 'unreadable') throw new Error('unreadable');
  return compared.differences.map(({ source, keyPath, nvidia, here }) =>
    [source, keyPath, nvidia, here].join(' | '),
  );
}

const share = '{resources: [{name: gpu, replicas: 2}]}';

describe('one difference each', () => {
  const cases: readonly [name: string, text: string, ...rows: string[]][] = [
    [
      'unknown key',
      'bogus: 1',
      'n.yaml:1:1 | bogus | ignores it without a word | refuses the file; there is no such key',
    ],
    [
      'key in another case',
      'flags: {migstrategy: none}',
      'n.yaml:1:9 | flags.migstrategy | reads it as flags.migStrategy | refuses the file; did you mean flags.migStrategy?',
    ],
    [
      'key twice',
      'imex: {required: true, required: false}',
      'n.yaml:1:24 | imex.required | takes one of them without a word | refuses the file; the key stands here for the second time, first in line 1; keep one',
    ],
    [
      'discovery of later',
      'flags: {deviceDiscoveryStrategy: tegra}',
      'n.yaml:1:34 | flags.deviceDiscoveryStrategy | does it | refuses the file: not in this version yet',
    ],
    [
      'resource names',
      'resources: {gpus: [{pattern: T4, name: t4}]}',
      'n.yaml:1:19 | resources.gpus | drops it with a warning | does it',
    ],
    [
      'exit on failure',
      'flags: {failOnInitError: true}',
      'n.yaml:1:26 | flags.failOnInitError | exits when no driver answers | stays up, not ready, says why, and starts when the driver answers',
    ],
    [
      'our own key',
      'flags: {agent: {logLevel: debug}}',
      'n.yaml:1:27 | flags.agent.logLevel | ignores it without a word | takes it',
    ],
    [
      'our own key, wrong',
      'flags: {agent: {logLevel: loud}}',
      'n.yaml:1:27 | flags.agent.logLevel | ignores it without a word | refuses the file; allowed: silent, error, warn, info, debug',
    ],
    [
      'a value that neither takes',
      'flags: {migStrategy: x}',
      'n.yaml:1:22 | flags.migStrategy | does not start with it either | refuses the file; allowed: none, single, mixed',
    ],
    [
      'a path that is checked here',
      'flags: {nvidiaDriverRoot: run}',
      'n.yaml:1:27 | flags.nvidiaDriverRoot | takes it as it is | refuses the file; allowed: an absolute path',
    ],
    [
      'another version',
      'version: v2',
      'n.yaml:1:10 | version | does not start with it either | refuses the file; allowed: v1',
    ],
    [
      'MPS',
      `sharing: {mps: ${share}}`,
      'n.yaml:1:16 | sharing.mps | does it | refuses the file: not in this version yet',
    ],
    [
      'time-slicing and MPS',
      `sharing:\n  timeSlicing: ${share}\n  mps: ${share}\n`,
      'n.yaml:2:16 | sharing.timeSlicing | shares by MPS and ignores sharing.timeSlicing without a word | refuses the file; nvidia.com/gpu stands under sharing.mps too; a resource is shared in one way',
      'n.yaml:3:8 | sharing.mps | does it | refuses the file: not in this version yet',
    ],
    [
      'devices and rename',
      'sharing:\n  timeSlicing:\n    resources:\n    - name: gpu\n      devices: [0]\n      rename: x\n      replicas: 2\n',
      'n.yaml:5:16 | sharing.timeSlicing.resources[0].devices | drops it with a warning and shares all devices | does it',
      'n.yaml:6:15 | sharing.timeSlicing.resources[0].rename | drops it with a warning | does it',
    ],
  ];
  test.each(cases)('%s', async (_name, text, ...rows) => {
    expect(await rowsOf(text)).toEqual(rows);
  });
});

describe('no difference', () => {
  const cases: readonly [name: string, text: string][] = [
    ['an empty file', ''],
    ['time-slicing', `sharing: {timeSlicing: ${share}}`],
    ['a MIG strategy', 'flags: {migStrategy: mixed}'],
    ['a plain file', 'version: v1\nflags: {failOnInitError: false, plugin: {passDeviceSpecs: true}}\n'],
    [
      'the keys of GFD, as in its documentation',
      'flags: {gfd: {oneshot: false, noTimestamp: false, sleepInterval: 60s}}',
    ],
  ];
  test.each(cases)('%s', async (_name, text) => {
    expect(await rowsOf(text)).toEqual([]);
  });
});

test.each(['- a', 'flags: [', '3'])('unreadable: %s', async (text) => {
  expect((await compare(text)).kind).toBe('unreadable');
});
