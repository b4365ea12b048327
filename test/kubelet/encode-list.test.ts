import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ListedDevice } from '../../src/kubelet/contract.ts';
import { encodeDeviceList, ListEncoder } from '../../src/kubelet/encode-list.ts';
import { memoryId } from '../../src/resources/memory-units.ts';
import { loadContract } from '../../src/kubelet/proto-files.ts';

interface ListMethod {
  readonly responseSerialize: (value: object) => Buffer;
}

const service = loadContract('deviceplugin')['v1beta1.DevicePlugin'] as unknown as Record<string, ListMethod>;

/** By the general encoder, from the contract itself. */
function encodeByContract(devices: readonly ListedDevice[]): Buffer | undefined {
  return service['ListAndWatch']?.responseSerialize({
    devices: devices.map(({ id, health, numaNode }) => ({
      ID: id,
      health,
      topology: numaNode === null ? null : { nodes: [{ ID: numaNode }] },
    })),
  });
}

const device = fc.record({
  id: fc.oneof(fc.string({ maxLength: 300, unit: 'binary' }), fc.uuid()),
  health: fc.constantFrom('Healthy' as const, 'Unhealthy' as const),
  numaNode: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 300 }), fc.maxSafeNat()),
});

test('a list has the bytes that the contract asks for', () => {
  fc.assert(
    fc.property(fc.array(device, { maxLength: 20 }), (devices) => {
      expect(encodeDeviceList(devices)).toEqual(encodeByContract(devices));
    }),
  );
});

test('a list after another one has the bytes that the contract asks for, whatever the two have in common', () => {
  const change = fc.record({ keep: fc.boolean(), device });
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 12 }), { maxLength: 6 }), (changes) => {
      const encoder = new ListEncoder();
      let list: readonly ListedDevice[] = [];
      for (const each of changes) {
        const before = list;
        list = each.map(({ keep, device: fresh }, at) => (keep ? before[at] : undefined) ?? fresh);
        expect(encoder.encode(list).equals(encodeByContract(list) ?? Buffer.of())).toBe(true);
        expect(encoder.encode(list).equals(encodeByContract(list) ?? Buffer.of())).toBe(true);
      }
    }),
  );
});

test('the longest list of memory, 16 GPUs of 288 GiB, takes less than 300 KB', () => {
  const devices = Array.from({ length: 16 * 288 }, (_, index) => ({
    id: memoryId(index),
    health: 'Unhealthy' as const,
    numaNode: null,
  }));
  expect(encodeDeviceList(devices).byteLength).toBeLessThan(300_000);
});

test('20,000 devices too', () => {
  const devices = Array.from({ length: 20_000 }, (_, index) => ({
    id: `GPU-${index}`,
    health: index % 3 === 0 ? ('Unhealthy' as const) : ('Healthy' as const),
    numaNode: index % 5 === 0 ? null : index % 2,
  }));
  expect(encodeDeviceList(devices).equals(encodeByContract(devices) ?? Buffer.of())).toBe(true);
});
