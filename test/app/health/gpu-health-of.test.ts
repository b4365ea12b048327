import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { faultReasons, gpuHealthOf } from '../../../src/app/health/gpu-health-of.ts';
import { conditionType, describeCondition } from '../../../src/cluster/health-condition.ts';
import { defaultHealthRules, type HealthFact } from '../../../src/health/facts.ts';
import { wantsTaint } from '../../../src/cluster/health-taint.ts';
import { nextVerdicts } from '../../../src/health/next-verdicts.ts';
import { noVerdicts, type Verdicts } from '../../../src/health/verdict.ts';
import type { GpuSigns, RecoveryAction } from '../../../src/inventory/gpu-signs.ts';
import { wellSigns } from '../../health/health-steps.ts';
import { gpu as gpuOfTest, migGpu, snapshotOf } from '../../support/snapshots.ts';

const gpu = 'GPU-00000000-0000-4000-8000-000000000000';
const well = wellSigns(gpu);

function verdictsAfter(...facts: readonly HealthFact[]): Verdicts {
  return facts.reduce(
    (before, fact) => nextVerdicts(before, fact, { now: 1, rules: defaultHealthRules }),
    noVerdicts,
  );
}

function xid(code: number): HealthFact {
  const place = { gpu, pciBusId: null, gpuInstanceId: null, computeInstanceId: null };
  const incident = { ...place, kind: 'xid', xid: code, count: 1, source: 'nvml' } as const;
  return { kind: 'incident', scope: null, incident };
}

function signs(changed: Partial<GpuSigns>): HealthFact {
  return { kind: 'signs', signs: [{ ...well, ...changed }] };
}

const wants = (recoveryAction: RecoveryAction): HealthFact => signs({ recoveryAction });

test.each<[string, HealthFact, (typeof faultReasons)[number]]>([
  ['XID 79', xid(79), 'NodeRebootRequired'],
  ['XID 95', xid(95), 'GPUResetRequired'],
  ['XID 48', xid(48), 'GPUResetRequired'],
  ['XID 54', xid(54), 'VendorSupportRequired'],
  ['a reset', wants('reset'), 'GPUResetRequired'],
  ['a reboot', wants('reboot'), 'NodeRebootRequired'],
  ['an action of a later driver', wants('other'), 'RecoveryActionRequired'],
  ['a lost GPU', signs({ lost: 'GPU is lost' }), 'GPULost'],
  ['a failed row remap', signs({ rowRemap: { failed: true, pending: false } }), 'RowRemapFailed'],
  ['too many SRAM errors', signs({ sramThresholdExceeded: true }), 'SRAMThresholdExceeded'],
])('the class of %s', (_title, fact, reason) => {
  const [told] = gpuHealthOf(verdictsAfter(signs({}), fact), reading());
  expect(told?.faults[0]).toMatchObject({ reason, rank: faultReasons.indexOf(reason), isOfWholeGpu: true });
});

describe('the page for admins', () => {
  const path = new URL('../../../docs/health-in-the-cluster.md', import.meta.url);
  const page = readFileSync(path, 'utf8');

  test('has the classes, the worst first', () => {
    const [, list = ''] = /one of these, the worst first: ([^(]+)\(/.exec(page) ?? [];
    expect([...list.matchAll(/`(\w+)`/g)].map(([, reason]) => reason)).toEqual(faultReasons);
  });

  test('shows the condition as it is written', () => {
    const [, shown = ''] = /^(\{"type":.*),…\}$/m.exec(page) ?? [];
    const [told] = gpuHealthOf(verdictsAfter(signs({}), xid(79)), reading());
    if (told === undefined) throw new Error('nothing is told');
    const condition = describeCondition([{ ...told, index: 3, uuid: 'GPU-5f3c…' }]);
    expect(JSON.parse(`${shown}}`)).toEqual({ type: conditionType, ...condition });
  });
});

test.each([
  [13, 'application-error'],
  [31, 'application-error'],
  [43, 'application-error'],
  [45, 'application-error'],
  [999, 'xid'],
] as const)('XID %i costs the GPU nothing and is told as %s', (code, kind) => {
  const told = gpuHealthOf(verdictsAfter(signs({}), xid(code)), reading(gpu));
  expect(told).toMatchObject([{ uuid: gpu, index: 0, faults: [], notes: [{ kind, count: 1 }] }]);
});

test('an XID that asks for nothing is no news', () => {
  expect(gpuHealthOf(verdictsAfter(signs({}), xid(92)), reading(gpu))).toMatchObject([{ notes: [] }]);
});

test('GPUs without a verdict are well, and one that is sick and not named any more is told last', () => {
  const told = gpuHealthOf(verdictsAfter(signs({}), xid(79)), reading('GPU-b', 'GPU-c'));
  expect(told.map(({ uuid, index, faults }) => [uuid, index, faults.length])).toEqual([
    ['GPU-b', 0, 0],
    ['GPU-c', 1, 0],
    [gpu, null, 1],
  ]);
});

function reading(...uuids: readonly string[]): Parameters<typeof gpuHealthOf>[1] {
  const snapshot = snapshotOf(uuids.map((uuid, index) => gpuOfTest(index, { uuid })));
  const nodes = { gpus: [], imexChannels: [], others: [] } as unknown as NonNullable<
    Parameters<typeof gpuHealthOf>[1]['reading']
  >['nodes'];
  return { reading: { snapshot, nodes, readAtMs: 0 }, noDriver: false, failure: null, migStrategy: 'mixed' };
}

test.each([
  ['of an instance', 1, 'mixed', false],
  ['of an instance of a GPU that is offered whole', 1, 'none', true],
  ['of an instance that is gone', 5, 'mixed', true],
] as const)(
  'a fault %s takes out as much as the lists say',
  (_title, gpuInstanceId, migStrategy, isOfWholeGpu) => {
    const scope = { gpuInstanceId, computeInstanceId: 0 };
    const cut = migGpu(0, ['1g.5gb', '1g.5gb']);
    const verdicts = verdictsAfter({ ...xid(95), scope } as HealthFact);
    const snapshot = snapshotOf([{ ...cut, uuid: gpu }]);
    const { reading: read, ...rest } = reading(gpu);
    const told = gpuHealthOf(verdicts, {
      ...rest,
      reading: read === null ? null : { ...read, snapshot },
      migStrategy,
    });
    expect(told.map(({ faults }) => faults.map((fault) => fault.isOfWholeGpu))).toEqual([[isOfWholeGpu]]);
    expect(wantsTaint(told)).toBe(isOfWholeGpu);
  },
);

test('without a driver all GPUs are out, and one that cannot be read is lost', () => {
  const faultsOf = (inventory: Parameters<typeof gpuHealthOf>[1]) =>
    gpuHealthOf(noVerdicts, inventory).map(({ faults }) => faults.map(({ reason, what }) => [reason, what]));
  expect(faultsOf({ ...reading('GPU-b', 'GPU-c'), noDriver: true, failure: 'no library' })).toEqual([
    [['DriverMissing', 'the NVIDIA driver is gone from this node: no library']],
    [['DriverMissing', 'the NVIDIA driver is gone from this node: no library']],
  ]);
  // A reading that failed says nothing of the GPUs.
  expect(faultsOf({ ...reading('GPU-b'), failure: 'it hangs' })).toEqual([[]]);
  const { reading: read, ...rest } = reading('GPU-b', 'GPU-c');
  const gpus = read?.snapshot.gpus.map((each) => ({
    ...each,
    error: each.index === 1 ? 'GPU is lost' : null,
  }));
  const snapshot = snapshotOf(gpus ?? []);
  expect(faultsOf({ ...rest, reading: read === null ? null : { ...read, snapshot } })).toEqual([
    [],
    [['GPULost', 'GPU is lost']],
  ]);
});
