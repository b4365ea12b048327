import { describe, expect, it } from 'vitest';
import { judgeReadiness, type ReadinessFacts } from '../../src/app/readiness.ts';
import { gpu, snapshotOf } from '../support/snapshots.ts';
import { deviceNodes } from './test-offer.ts';

const reading = { snapshot: snapshotOf([]), nodes: deviceNodes, readAtMs: 0 };
const registered = { name: 'nvidia.com/gpu', connected: true, reason: null } as const;

/** An agent that serves one resource and has just read the GPUs. */
const serving: ReadinessFacts = {
  nowMs: 1000,
  configProblem: null,
  standingBy: false,
  waitingFor: null,
  resources: [registered],
  inventory: { reading, failure: null, noDriver: false },
  degradations: [],
  cdi: null,
  rescanIntervalMs: 4000,
  orphans: 0,
  memoryPause: null,
  troubles: [],
};

const cases: readonly [
  name: string,
  facts: Partial<ReadinessFacts>,
  ok: boolean,
  reasons: readonly string[],
][] = [
  ['serving', {}, true, []],
  [
    'when the CDI specs cannot be written',
    { cdi: { problem: 'no space', trouble: [] } },
    false,
    ['cdi: no space'],
  ],
  [
    'when the CDI specs could be better',
    { cdi: { problem: null, trouble: ['two drivers', 'no hooks'] } },
    true,
    ['cdi: two drivers', 'cdi: no hooks'],
  ],
  [
    'while no memory is given out',
    { memoryPause: 'containers still hold other units' },
    true,
    ['no GPU memory is given out: containers still hold other units'],
  ],
  ['with what it does not offer as asked', { degradations: ['GPU 1 is empty'] }, true, ['GPU 1 is empty']],
  [
    'on a node of which the config offers nothing',
    {
      resources: [],
      inventory: { reading: { ...reading, snapshot: snapshotOf([gpu(0)]) }, failure: null, noDriver: false },
    },
    true,
    ['0 devices: the config offers none of the GPUs that the driver shows'],
  ],
  ['before it has the lock', { waitingFor: 'starting', resources: [] }, false, ['starting']],
  [
    'before the first reading',
    { inventory: { reading: null, failure: null, noDriver: false }, resources: [] },
    false,
    ['inventory: the GPUs are being read for the first time'],
  ],
  [
    'when the first reading failed',
    { inventory: { reading: null, failure: 'no answer', noDriver: false }, resources: [] },
    false,
    ['inventory: no answer'],
  ],
  [
    'without a driver',
    { inventory: { reading: null, failure: 'no libnvidia-ml', noDriver: true }, resources: [] },
    true,
    ['0 devices: no libnvidia-ml'],
  ],
  ['without a GPU', { resources: [] }, true, ['0 devices: the driver shows no GPU']],
  [
    'not registered',
    { resources: [{ ...registered, connected: false }] },
    false,
    ['kubelet: nvidia.com/gpu is not registered'],
  ],
  [
    'not registered, for a reason',
    { resources: [{ ...registered, connected: false, reason: 'the kubelet refused' }] },
    false,
    ['kubelet: nvidia.com/gpu is not registered: the kubelet refused'],
  ],
  [
    'with one resource of two registered',
    { resources: [registered, { name: 'nvidia.com/other', connected: false, reason: null }] },
    false,
    ['kubelet: nvidia.com/other is not registered'],
  ],
  [
    'standing by',
    {
      standingBy: true,
      waitingFor: 'standing by: another agent serves this node',
      resources: [{ ...registered, connected: false }],
    },
    true,
    ['standing by: another agent serves this node'],
  ],
  [
    'standing by without a reading',
    {
      standingBy: true,
      waitingFor: 'standing by: another agent serves this node',
      inventory: { reading: null, failure: null, noDriver: false },
    },
    false,
    ['inventory: the GPUs are being read for the first time'],
  ],
  [
    'when the newest reading failed',
    { inventory: { reading, failure: 'no answer', noDriver: false } },
    true,
    ['the newest reading failed: no answer'],
  ],
  ['with a reading of 30 s ago', { nowMs: 30_000 }, true, []],
  [
    'with a reading of more than 30 s ago',
    { nowMs: 30_600, inventory: { reading, failure: 'no answer', noDriver: false } },
    false,
    ['inventory: last read 31 s ago: no answer'],
  ],
  [
    'with an old reading while the driver hangs',
    { nowMs: 40_000 },
    false,
    ['inventory: last read 40 s ago: the driver does not answer'],
  ],
  ['with a reading of three long intervals ago', { nowMs: 90_000, rescanIntervalMs: 30_000 }, true, []],
  [
    'with containers that the kubelet has lost',
    { orphans: 2 },
    true,
    ["containers that the kubelet has lost and that may still run: 2; see 'slicewise orphans'"],
  ],
  [
    'with a state folder and pod resources out of reach',
    { troubles: ['no socket', 'nothing can be kept'] },
    true,
    ['no socket', 'nothing can be kept'],
  ],
  ['with a wrong config file', { configProblem: 'flags.x: unknown' }, false, ['config: flags.x: unknown']],
  [
    'with several troubles',
    {
      configProblem: 'flags.x: unknown',
      resources: [{ ...registered, connected: false }],
      inventory: { reading: null, failure: 'no answer', noDriver: false },
    },
    false,
    ['config: flags.x: unknown', 'inventory: no answer', 'kubelet: nvidia.com/gpu is not registered'],
  ],
];

describe('an agent', () => {
  it.for(cases)('%s', ([, facts, ok, reasons]) => {
    expect(judgeReadiness({ ...serving, ...facts })).toEqual({ ok, reasons });
  });
});
