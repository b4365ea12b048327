import { describe, expect, it } from 'vitest';
import { planResources } from '../../src/resources/plan.ts';
import { gpu, snapshotOf } from '../support/snapshots.ts';

describe('planResources', () => {
  it('offers nothing on a node without GPUs', () => {
    expect(planResources(snapshotOf([]))).toEqual([]);
  });

  it('offers each GPU once, in the order of their index', () => {
    const [plan, ...others] = planResources(snapshotOf([gpu(2), gpu(0), gpu(1)]));
    expect(others).toEqual([]);
    expect(plan?.resource).toBe('nvidia.com/gpu');
    expect(plan?.devices.map((device) => device.gpu.index)).toEqual([0, 1, 2]);
    expect(plan?.devices.map((device) => device.id)).toEqual([gpu(0).uuid, gpu(1).uuid, gpu(2).uuid]);
  });

  it('keeps a GPU that cannot be used on the list, with the reason, and leaves the others alone', () => {
    const [plan] = planResources(snapshotOf([gpu(0), gpu(1, { error: 'it has fallen off the bus' })]));
    expect(plan?.devices.map((device) => device.fault)).toEqual([null, 'it has fallen off the bus']);
  });

  it('gives NUMA nodes to all devices or to none', () => {
    const known = planResources(snapshotOf([gpu(0, { numaNode: 0 }), gpu(1, { numaNode: 1 })]));
    expect(known[0]?.devices.map((device) => device.numaNode)).toEqual([0, 1]);
    const partly = planResources(snapshotOf([gpu(0, { numaNode: 0 }), gpu(1, { numaNode: null })]));
    expect(partly[0]?.devices.map((device) => device.numaNode)).toEqual([null, null]);
  });

  it.each(['DGX Display', 'NVIDIA DGX Display'])('leaves out %s, which drives a display only', (name) => {
    const plans = planResources(snapshotOf([gpu(0), gpu(1, { name })]));
    expect(plans[0]?.devices).toHaveLength(1);
    expect(planResources(snapshotOf([gpu(0, { name })]))).toEqual([]);
  });

  it('marks every GPU when the node itself has a fault, and keeps the own fault of a GPU', () => {
    const [plan] = planResources(snapshotOf([gpu(0), gpu(1, { error: 'lost' })]), 'no IMEX channel');
    expect(plan?.devices.map((device) => device.fault)).toEqual(['no IMEX channel', 'lost']);
  });
});
