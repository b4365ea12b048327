import { expect, it } from 'vitest';
import { defaultHealthRules } from '../../src/health/facts.ts';
import { verdictFaults } from '../../src/health/verdict-faults.ts';
import { maxFindings } from '../../src/health/verdict.ts';
import { devicesOf } from '../support/plans.ts';
import { gpu, migGpu, snapshotOf } from '../support/snapshots.ts';
import { after, signs, uuid, xid } from './health-steps.ts';

it('says what it is and what to do, and neither when nor how often', () => {
  const once = verdictFaults(after([xid(79)]), snapshotOf([gpu(0)]));
  expect(once.get(uuid)).toMatch(/^XID 79 \(the GPU has fallen off the bus\)\. Drain the node .+\.$/);
  expect(verdictFaults(after([xid(79), xid(79), signs()]), snapshotOf([gpu(0)]))).toEqual(once);
});

it('says the worst, and that there are more', () => {
  const faults = verdictFaults(after([xid(95), xid(79), xid(48)]), snapshotOf([gpu(0)]));
  expect(faults.get(uuid)).toMatch(/^XID 79 .+ \(and more: slicewise health\)\. /);
});

it('says nothing of a GPU that is degraded or not monitored, or not on this node', () => {
  const verdicts = after([signs({ slowdowns: ['thermal'], unmonitored: 'no events' }), xid(13)]);
  expect(verdictFaults(verdicts, snapshotOf([gpu(0)])).size).toBe(0);
  expect(verdictFaults(after([xid(79)]), snapshotOf([gpu(3)])).size).toBe(0);
});

it('widens to the GPU when the instance is gone, whose silicon another one may have', () => {
  const verdicts = after([xid(95, { gpuInstanceId: 2, computeInstanceId: 0 })]);
  const cut = migGpu(0, ['1g.5gb', '1g.5gb', '1g.5gb']);
  const [first, second, third] = cut.migInstances.map((each) => each.uuid);
  expect([...verdictFaults(verdicts, snapshotOf([cut])).keys()]).toEqual([uuid, second]);
  const recut = { ...cut, migInstances: cut.migInstances.filter((each) => each.uuid !== second) };
  expect([...verdictFaults(verdicts, snapshotOf([recut])).keys()]).toEqual([uuid, first, third]);
  expect([...verdictFaults(verdicts, snapshotOf([gpu(0)])).keys()]).toEqual([uuid]);
});

it('keeps an instance out though more befell another one than is kept', () => {
  const scope = (gpuInstanceId: number) => ({ gpuInstanceId, computeInstanceId: 0 });
  const rules = {
    ...defaultHealthRules,
    xids: { ...defaultHealthRules.xids, enabled: { all: true, xids: [] } },
  };
  const storm = Array.from({ length: maxFindings }, (_, at) => xid(100 + at, scope(2)));
  const cut = migGpu(0, ['1g.5gb', '1g.5gb', '1g.5gb']);
  const all = cut.migInstances.map((each) => each.uuid);
  const once = after([xid(95, scope(1))], { rules });
  expect([...verdictFaults(once, snapshotOf([cut])).keys()]).toEqual([uuid, all[0]]);
  const faults = verdictFaults(after(storm, { rules, from: once, startMs: 2e12 }), snapshotOf([cut]));
  expect([...faults.keys()]).toEqual([uuid, ...all]);
  // Told again, what counts for the whole GPU now does not shrink to its instance.
  const [last] = storm.slice(-1);
  if (last === undefined) throw new Error('there is no storm');
  const again = after([last], {
    rules,
    from: after(storm, { rules, from: once, startMs: 2e12 }),
    startMs: 3e12,
  });
  expect([...verdictFaults(again, snapshotOf([cut])).keys()]).toEqual([uuid, ...all]);
});

const [ofInstance, ofGpuInstance, ofGone, ofGpu] = [
  { gpuInstanceId: 2, computeInstanceId: 0 },
  { gpuInstanceId: 2, computeInstanceId: null },
  { gpuInstanceId: 5, computeInstanceId: 0 },
  null,
] as const;

it.each([
  // Whoever gets the GPU gets its sick instance.
  { migStrategy: 'none', scope: ofInstance, out: ['GPU 0'] },
  { migStrategy: 'none', scope: ofGpuInstance, out: ['GPU 0'] },
  { migStrategy: 'none', scope: ofGone, out: ['GPU 0'] },
  { migStrategy: 'none', scope: ofGpu, out: ['GPU 0'] },
  { migStrategy: 'single', scope: ofInstance, out: ['0:2'] },
  { migStrategy: 'single', scope: ofGpuInstance, out: ['0:2'] },
  { migStrategy: 'single', scope: ofGone, out: ['0:1', '0:2'] },
  { migStrategy: 'single', scope: ofGpu, out: ['0:1', '0:2'] },
  { migStrategy: 'mixed', scope: ofInstance, out: ['0:2'] },
  { migStrategy: 'mixed', scope: ofGpuInstance, out: ['0:2'] },
  { migStrategy: 'mixed', scope: ofGone, out: ['0:1', '0:2'] },
  { migStrategy: 'mixed', scope: ofGpu, out: ['0:1', '0:2'] },
] as const)(
  'with migStrategy $migStrategy a fault of $scope takes $out out',
  ({ migStrategy, scope, out }) => {
    const gpus = [migGpu(0, ['1g.5gb', '1g.5gb']), migGpu(1, ['1g.5gb', '1g.5gb'])];
    const faults = verdictFaults(after([xid(95, scope)]), snapshotOf(gpus));
    const devices = devicesOf(gpus, { migStrategy }, { faults });
    expect(devices.length).toBe(migStrategy === 'none' ? 2 : 4);
    const unhealthy = devices.filter(({ fault }) => fault !== null);
    expect(
      unhealthy.map((each) =>
        each.mig === null ? `GPU ${each.gpu.index}` : `${each.gpu.index}:${each.mig.position + 1}`,
      ),
    ).toEqual(out);
    for (const { fault } of unhealthy) expect(fault).toMatch(/^XID 95 /);
  },
);
