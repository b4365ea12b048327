import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guaranteedFit } from '../../../src/allocation/memory/guaranteed-fit.ts';
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
  // Without a size most would be short.
  { minLength: 1, maxLength: 80, size: 'max' },
);

/** Enough for a hundred thousand steps. */
const runs = Number(process.env['MODEL_RUNS'] ?? 2700);

describe('holdings, placing and showing together', () => {
  it('book nothing twice and lose nothing, whatever happens', { timeout: 600_000 }, () => {
    let granted = 0;
    let refused = 0;
    let steps = 0;
    fc.assert(
      fc.property(fc.nat(1_000_000), histories, (seed, history) => {
        const node = new ModelNode(seed);
        for (const step of history) node.run(step);
        steps += history.length;
        granted += node.granted;
        refused += node.refused;
        node.end();
        expect(node.agent.holdings.entries).toEqual([]);
        expect(node.kubelet.healthyIds(gpuResource).size).toBe(gpus.length);
        expect(node.kubelet.healthyIds(memoryResource).size).toBe(
          node.agent.config.fit === 'guaranteed' ? guaranteedFit(unitsAt, 8) : 37,
        );
      }),
      { numRuns: runs },
    );
    process.stdout.write(`${steps} random steps through holdings\n`);
    expect(steps).toBeGreaterThan(30 * runs);
    expect(granted).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(10);
  });
});
