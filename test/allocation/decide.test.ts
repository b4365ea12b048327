import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide, type Offer, type RefusalReason } from '../../src/allocation/decide.ts';
import { devicesOf } from '../support/plans.ts';
import { gpu } from '../support/snapshots.ts';

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
