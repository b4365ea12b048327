import { describe, expect, it } from 'vitest';
import { checkListSize, maxListBytes } from '../../src/resources/list-limits.ts';
import { devicePluginService } from '../../src/kubelet/wire.ts';

function ids(count: number, length: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => String(index).padStart(length, 'x'));
}

/** Of a list as it goes to the kubelet, with the longest of everything: Unhealthy, and a NUMA node. */
function encodedBytes(all: readonly string[]): number {
  const list = all.map((id) => ({ id, health: 'Unhealthy' as const, numaNode: 1 }));
  return devicePluginService.ListAndWatch.responseSerialize(list).length;
}

describe('checkListSize', () => {
  it('counts devices', () => {
    expect(checkListSize(ids(20_000, 6))).toBeNull();
    expect(checkListSize(ids(20_001, 6))).toMatchObject({ devices: 20_001 });
  });

  it.each([6, 40, 90, 120, 127, 128, 200])(
    'counts the bytes of ids of %d characters as they are encoded',
    (length) => {
      const perDevice = encodedBytes(ids(1, length));
      const fits = Math.min(20_000, Math.floor(maxListBytes / perDevice));
      expect(checkListSize(ids(fits, length))).toBeNull();
      expect(checkListSize(ids(fits + 1, length))).toMatchObject({ devices: fits + 1 });
      expect(checkListSize(ids(20_001, length))?.bytes).toBe(20_001 * perDevice);
    },
  );
});
