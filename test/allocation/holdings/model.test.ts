import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guaranteedFit } from '../../../src/allocation/guaranteed-fit.ts';
import { memoryResource } from '../../../src/resources/memory-units.ts';
import { gpuResource } from '../../../src/resources/resource-name.ts';
import { gpus, ModelNode, stepWeights, unitsAt, type StepKind } from './model-node.ts';

const kinds = (Object.entries(stepWeights) as [StepKind, number][]).flatMap(([kind, weight]) =>
  Array.from({ length: weight }, () => kind),
);
const histories = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    a: fc.nat(1000),
    b: fc.nat(1000),
    waitMs: fc.oneof(fc.nat(300), fc.nat(12_000)),
  }),
  { minLength: 1, maxLength: 60 },
);

describe('holdings, placing and showing together', () => {
  it('book nothing twice and lose nothing, whatever happens', { timeout: 180_000 }, () => {
    let granted = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(1_000_000), histories, (seed, history) => {
        const node = new ModelNode(seed);
        for (const step of history) node.run(step);
        granted += node.granted;
        refused += node.refused;
        node.end();
        expect(node.agent.holdings.entries).toEqual([]);
        expect(node.kubelet.healthyIds(gpuResource).size).toBe(gpus.length);
        expect(node.kubelet.healthyIds(memoryResource).size).toBe(
          node.agent.config.fit === 'guaranteed' ? guaranteedFit(unitsAt, 8) : 37,
        );
      }),
      { numRuns: Number(process.env['MODEL_RUNS'] ?? 500) },
    );
    expect(granted).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(10);
  });
});
