import { describe, expect, it } from 'vitest';
import { judgeReadiness, type ReadinessFacts } from '../../src/app/readiness.ts';
import type { Gpu } from '../../src/inventory/gpu.ts';
import type { Finding, HealthState } from '../../src/health/verdict.ts';
import { after, xid } from '../health/health-steps.ts';
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
  inventory: { reading, failure: null, noDriver: false, pciGpus: null },
  health: new Map(),
  driverClosed: false,
  degradations: [],
  cdi: null,
  rescanIntervalMs: 4000,
  orphans: 0,
  memoryPause: null,
  troubles: [],
};

function known(gpus: readonly Gpu[]): ReadinessFacts['inventory'] {
  return {
    reading: { ...reading, snapshot: snapshotOf(gpus) },
    failure: null,
    noDriver: false,
    pciGpus: null,
  };
}

/** One finding for each GPU. */
function healthOf(
  found: readonly (Pick<Finding, 'what' | 'effect'> & {
    readonly state: HealthState;
    readonly unmonitored?: string;
  })[],
): ReadinessFacts['health'] {
  const finding = after([xid(95)]).gpus.get(gpu(0).uuid)?.findings[0];
  return new Map(
    found.map(({ state, what, effect, unmonitored = null }, index) => [
      gpu(index).uuid,
      { state, unmonitored, findings: finding === undefined ? [] : [{ ...finding, what, effect }] },
    ]),
  );
}

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
  [
    'with what is held against GPUs',
    {
      inventory: { ...known([gpu(0), gpu(1), gpu(2), gpu(3, { error: 'GPU is lost' })]) },
      health: healthOf([
        { state: 'unhealthy', what: 'XID 79', effect: 'unhealthy' },
        { state: 'degraded', what: 'too hot', effect: 'degraded', unmonitored: 'no events' },
        { state: 'unmonitored', what: 'XID 13', effect: 'noted', unmonitored: 'no events' },
        { state: 'unhealthy', what: 'lost', effect: 'unhealthy' },
      ]),
    },
    true,
    [
      `GPU 3 (${gpu(3).uuid}) cannot be used: GPU is lost`,
      `GPU 0 (${gpu(0).uuid}) is unhealthy: XID 79`,
      `GPU 1 (${gpu(1).uuid}) is degraded: too hot`,
      'faults would not be told of GPU 1, 2: no events',
    ],
  ],
  [
    'with what is held against a GPU that the driver does not name',
    {
      inventory: known([gpu(0)]),
      health: healthOf([
        { state: 'healthy', what: 'XID 13', effect: 'noted' },
        { state: 'unhealthy', what: 'XID 79', effect: 'unhealthy' },
        { state: 'degraded', what: 'too hot', effect: 'degraded' },
      ]),
    },
    true,
    [`${gpu(1).uuid}, which the driver does not name now, is unhealthy: XID 79`],
  ],
  ['with what it does not offer as asked', { degradations: ['GPU 1 is empty'] }, true, ['GPU 1 is empty']],
  [
    'on a node of which the config offers nothing',
    {
      resources: [],
      inventory: {
        reading: { ...reading, snapshot: snapshotOf([gpu(0)]) },
        failure: null,
        noDriver: false,
        pciGpus: null,
      },
    },
    true,
    ['0 devices: the config offers none of the GPUs that the driver shows'],
  ],
  ['before it has the lock', { waitingFor: 'starting', resources: [] }, false, ['starting']],
  [
    'before the first reading',
    { inventory: { reading: null, failure: null, noDriver: false, pciGpus: null }, resources: [] },
    false,
    ['inventory: the GPUs are being read for the first time'],
  ],
  [
    'when the first reading failed',
    { inventory: { reading: null, failure: 'no answer', noDriver: false, pciGpus: null }, resources: [] },
    false,
    ['inventory: no answer'],
  ],
  [
    'without a driver',
    {
      inventory: { reading: null, failure: 'no libnvidia-ml', noDriver: true, pciGpus: null },
      resources: [],
    },
    true,
    ['0 devices: no libnvidia-ml'],
  ],
  [
    'without a driver, and GPUs on the PCI bus',
    { inventory: { reading: null, failure: 'no libnvidia-ml', noDriver: true, pciGpus: 8 }, resources: [] },
    false,
    ['inventory: this node has 8 NVIDIA GPUs and no driver: no libnvidia-ml'],
  ],
  [
    'with a driver that fails, and a GPU on the PCI bus',
    { inventory: { reading: null, failure: 'no answer', noDriver: false, pciGpus: 1 }, resources: [] },
    false,
    ['inventory: no answer'],
  ],
  [
    'without a driver, and no GPU on the PCI bus',
    { inventory: { reading: null, failure: 'no libnvidia-ml', noDriver: true, pciGpus: 0 }, resources: [] },
    true,
    ['0 devices: no NVIDIA GPU on this node'],
  ],
  [
    'with a driver that fails, and no GPU on the PCI bus',
    { inventory: { reading: null, failure: 'no answer', noDriver: false, pciGpus: 0 }, resources: [] },
    true,
    ['0 devices: no NVIDIA GPU on this node'],
  ],
  [
    'when the driver does not answer any more, and the GPUs are gone from the PCI bus',
    { nowMs: 60_000, inventory: { reading, failure: 'no answer', noDriver: false, pciGpus: 0 } },
    false,
    ['inventory: last read 60 s ago: no answer'],
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
      inventory: { reading: null, failure: null, noDriver: false, pciGpus: null },
    },
    false,
    ['inventory: the GPUs are being read for the first time'],
  ],
  [
    'when the newest reading failed',
    { inventory: { reading, failure: 'no answer', noDriver: false, pciGpus: null } },
    true,
    ['the newest reading failed: no answer'],
  ],
  ['with a reading of 30 s ago', { nowMs: 30_000 }, true, []],
  [
    'with a reading of more than 30 s ago',
    { nowMs: 30_600, inventory: { reading, failure: 'no answer', noDriver: false, pciGpus: null } },
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
      inventory: { reading: null, failure: 'no answer', noDriver: false, pciGpus: null },
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
