import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide, type Offer, type RefusalReason } from '../../src/allocation/decide.ts';
import { devicesOf } from '../support/plans.ts';
import { gpu, instance, migGpu } from '../support/snapshots.ts';

const node = [gpu(0), gpu(1), gpu(2, { error: 'it has fallen off the bus' }), gpu(3, { minor: null })];
const offer: Offer = {
  resource: 'nvidia.com/gpu',
  devices: devicesOf(node),
  needsDeviceNode: true,
  oneShareOnly: false,
};
const id = (index: number): string => gpu(index).uuid;

describe('decide', () => {
  it.each<[string, string[], RefusalReason, RegExp]>([
    ['no id', [], 'no-device', /names no device.*at least 1/],
    ['an id twice', [id(0), id(1), id(0)], 'duplicate-device', /GPU-00000000.*more than once/],
    ['an unknown id', [id(0), id(7)], 'unknown-device', /GPU-00000007.*delete the pod/],
    ['a GPU with a fault', [id(2)], 'unhealthy-device', /GPU 2 .*fallen off the bus.*delete the pod/i],
    ['a GPU without a device node', [id(3)], 'no-device-node', /GPU 3 .*passDeviceSpecs/],
    [
      'more than there are',
      Array.from({ length: 100_000 }, (_, n) => `x${n}`),
      'too-many-devices',
      /100000.*has 4/,
    ],
  ])('refuses %s and says why', (_, ids, reason, words) => {
    const decision = decide(ids, offer);
    expect(decision).toMatchObject({ kind: 'refused', reason });
    expect(decision.kind === 'refused' && decision.message).toMatch(words);
    expect(decision.kind === 'refused' && decision.message).toMatch(/^nvidia\.com\/gpu/);
  });

  describe('of MIG instances and time slices', () => {
    const timeSlicing = {
      renameByDefault: false,
      failRequestsGreaterThanOne: true,
      resources: [{ name: 'nvidia.com/gpu', devices: 'all', replicas: 2 }],
    } as const;
    const instances = devicesOf(
      [
        migGpu(0, ['1g.5gb', '1g.5gb'], {
          migInstances: [instance(1, '1g.5gb'), { ...instance(2, '1g.5gb'), capabilityNodes: [] }],
        }),
        migGpu(1, ['1g.5gb'], { minor: null }),
        migGpu(2, ['1g.5gb'], { error: 'it has fallen off the bus' }),
      ],
      { migStrategy: 'mixed' },
    );
    const small = { ...offer, resource: 'nvidia.com/mig-1g.5gb', devices: instances } as const;
    const slices = devicesOf([gpu(0), gpu(1)], { timeSlicing });

    it.each<[string, number, RefusalReason, RegExp]>([
      [
        'without capability nodes',
        1,
        'no-device-node',
        /nodes of \/dev\/nvidia-caps belong to MIG instance 0:1 \(MIG-/,
      ],
      [
        'of a GPU without a minor number',
        2,
        'no-device-node',
        /\/dev\/nvidia<N> is that of MIG instance 1:0/,
      ],
      ['of a GPU with a fault', 3, 'unhealthy-device', /MIG instance 2:0 .*fallen off the bus/],
    ])('refuses an instance %s', (_, position, reason, words) => {
      const decision = decide([instances[position]?.id ?? ''], small);
      expect(decision).toMatchObject({
        kind: 'refused',
        reason,
        message: expect.stringMatching(words) as string,
      });
    });

    it('grants an instance whose nodes are known', () => {
      expect(decide([instances[0]?.id ?? ''], small).kind).toBe('granted');
    });

    it('refuses more than one time slice where that is asked, and only there', () => {
      const two = slices.slice(1, 3).map((device) => device.id);
      const strict = { ...offer, devices: slices, oneShareOnly: true };
      const decision = decide(two, strict);
      expect(decision).toMatchObject({ kind: 'refused', reason: 'more-than-one-share' });
      expect(decision.kind === 'refused' && decision.message).toMatch(
        /^nvidia\.com\/gpu: 2 asked, but at most 1 is allowed.*sharing\.timeSlicing\.failRequestsGreaterThanOne/,
      );
      expect(decide(two.slice(1), strict).kind).toBe('granted');
      expect(decide(two, { ...strict, oneShareOnly: false }).kind).toBe('granted');
    });

    it('takes GPUs that are not shared for what they are', () => {
      const whole = { ...offer, devices: devicesOf([gpu(0), gpu(1)]), oneShareOnly: true };
      expect(decide([id(0), id(1)], whole).kind).toBe('granted');
    });
  });

  it('quotes an absurdly long id only in part', () => {
    const decision = decide(['x'.repeat(1_000_000)], offer);
    expect(decision.kind === 'refused' && decision.message.length).toBeLessThan(400);
  });

  it('does not mind a missing minor number when no device nodes are handed out', () => {
    expect(decide([id(3)], { ...offer, needsDeviceNode: false }).kind).toBe('granted');
  });

  it('grants exactly the asked devices, by index, however the request is shuffled', () => {
    const devices = devicesOf([0, 1, 2, 3, 4, 5, 6, 7].map((index) => gpu(index)));
    const indexes = fc.uniqueArray(fc.nat(7), { minLength: 1 });
    fc.assert(
      fc.property(indexes, (chosen) => {
        const decision = decide(chosen.map(id), { ...offer, devices });
        if (decision.kind !== 'granted') throw new Error(decision.message);
        expect(decision.devices.map((device) => device.gpu.index)).toEqual(chosen.toSorted((a, b) => a - b));
      }),
    );
  });
});
