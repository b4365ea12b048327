import fc from 'fast-check';
import { expect, it } from 'vitest';
import { planCdi } from '../../../src/allocation/cdi/cdi-plan.ts';
import { checkSpec } from '../../../src/allocation/cdi/cdi-rules.ts';
import { makeMachineSpec } from '../../../src/allocation/cdi/machine-spec.ts';
import { anyInput } from '../cdi-inputs.ts';

it('has every device under its index and its UUID, and all of them together', () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const [byIndex, byUuid] = (['index', 'uuid'] as const).map((deviceIdStrategy) =>
        planCdi({ ...input, deviceIdStrategy }).specs.get('gpu'),
      );
      if (byIndex === undefined || byUuid === undefined) return;
      const spec = makeMachineSpec('nvidia.com/gpu', byIndex, byUuid);
      const names = spec.devices.map(({ name }) => name);
      const wanted = [...byIndex.devices, ...byUuid.devices, { name: 'all' }].map(({ name }) => name);
      expect(names).toEqual([...new Set(wanted)]);
      if (names.length < wanted.length) return;
      expect(spec.containerEdits).toEqual(byUuid.containerEdits);
      const all = spec.devices.at(-1)?.containerEdits.deviceNodes?.map(({ path }) => path) ?? [];
      const each = byUuid.devices.flatMap(({ containerEdits }) => containerEdits.deviceNodes ?? []);
      expect(all).toEqual([...new Set(each.map(({ path }) => path))]);
      expect(checkSpec(spec)).toEqual([]);
    }),
  );
});
