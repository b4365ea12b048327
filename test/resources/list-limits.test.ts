import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { devicePluginService } from '../../src/kubelet/wire.ts';
import { fittingReplicas, listBytes, maxDevices, type Share } from '../../src/resources/list-limits.ts';

const uuid = (index: number): string => `GPU-${String(index).padStart(8, '0')}-0000-0000-0000-000000000000`;

function encodedBytes(shares: readonly Share[]): number {
  const devices = shares.flatMap((share) =>
    Array.from({ length: share.replicas }, (_, n) => ({
      id: share.replicas === 1 ? share.uuid : `${share.uuid}::${n}`,
      health: 'Unhealthy' as const,
      numaNode: 1023,
    })),
  );
  return devicePluginService.ListAndWatch.responseSerialize(devices).length;
}

describe('the size of a list', () => {
  it.each([1, 2, 10, 11, 100, 101, 1234, 20_000])('of %i devices is bounded, and not far off', (replicas) => {
    const shares = [{ uuid: uuid(0), replicas }];
    const encoded = encodedBytes(shares);
    expect(listBytes(shares)).toBeGreaterThanOrEqual(encoded);
    expect(listBytes(shares)).toBeLessThan(encoded * 1.05 + 10);
  });
});

describe('the replicas that fit', () => {
  it('are as asked up to the longest list', () => {
    expect(fittingReplicas([{ uuid: uuid(0), replicas: maxDevices }])).toBeNull();
    expect(fittingReplicas([])).toBeNull();
  });

  it('are the most that both limits allow', () => {
    const anyShares = fc.array(
      fc.record({
        uuid: fc.string({ minLength: 1, maxLength: 400 }),
        replicas: fc.integer({ min: 1, max: 20_000 }),
      }),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(anyShares, (shares) => {
        const cap = fittingReplicas(shares);
        const within = (each: number): boolean =>
          shares.reduce((sum, { replicas }) => sum + Math.min(replicas, each), 0) <= maxDevices &&
          listBytes(shares, each) <= 2 * 1024 * 1024;
        expect(within(cap ?? 20_000)).toBe(true);
        expect(cap !== null && within(cap + 1)).toBe(false);
      }),
    );
  });
});
