import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextStep } from '../cluster/soak/next-step.ts';
import { freeGpus, newPlan, type Plan, planAfter, type PodStep, type Step } from '../cluster/soak/plan.ts';
import { seededRandom } from '../../src/simulator/seeded-random.ts';

interface Taken {
  readonly before: Plan;
  readonly step: Step;
}

function takeSteps(seed: number, count: number): readonly Taken[] {
  const random = seededRandom(seed);
  let plan = newPlan(8);
  return Array.from({ length: count }, () => {
    const before = plan;
    const step = nextStep(random, before);
    plan = planAfter(before, step);
    return { before, step };
  });
}

/** What a step does to pods, at once or meanwhile. */
function podStepOf(step: Step): PodStep | null {
  if ('pod' in step) return step;
  return 'meanwhile' in step ? step.meanwhile : null;
}

/** A new pod has a new name; only what stays, and no init container, is killed. */
function isPossible({ pods }: Plan, step: PodStep): boolean {
  const pod = pods.find(({ name }) => name === step.pod);
  if (step.kind !== 'kill-container') return (pod === undefined) === (step.kind === 'create');
  const target = pod?.shape.containers.find(({ name }) => name === step.container);
  return pod?.shape.endsAfterMs === null && target !== undefined && target.kind !== 'init';
}

const seeds = fc.integer({ min: 1, max: 1_000_000 });

describe('the steps of a soak', () => {
  test('are the same for the same seed, and others for another', () => {
    const steps = (seed: number): readonly Step[] => takeSteps(seed, 300).map(({ step }) => step);
    expect(steps(7)).toEqual(steps(7));
    expect(steps(7)).not.toEqual(steps(8));
  });

  test('are of every kind, with every signal, state and way', () => {
    const steps = takeSteps(1, 1000).map(({ step }) => step);
    const podKinds = ['create', 'delete', 'kill-container', 'gpu'];
    const kinds = [...podKinds, 'restart-agent', 'take-over', 'restart-kubelet', 'restart-both'];
    const counts = kinds.map((kind) => steps.filter((step) => step.kind === kind).length);
    expect(Math.min(...counts)).toBeGreaterThan(5);
    const words = JSON.stringify(steps);
    for (const word of ['SIGTERM', 'SIGKILL', 'lost', 'absent', 'present', 'graceful', 'forced'])
      expect(words).toContain(`"${word}"`);
    for (const kind of ['init', 'sidecar', 'app']) expect(words).toContain(`"kind":"${kind}"`);
    expect(steps.some((step) => step.kind === 'create' && step.shape.endsAfterMs !== null)).toBe(true);
  });

  test('touch only what is there, and leave GPUs to use', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        for (const { before, step } of takeSteps(seed, 200)) {
          const done = podStepOf(step);
          expect(done === null || isPossible(before, done)).toBe(true);
          expect(before.gpus.filter((state) => state === 'present').length).toBeGreaterThanOrEqual(5);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('change the state of a GPU each time', () => {
    const idle = takeSteps(3, 2000).filter(
      ({ before, step }) => step.kind === 'gpu' && before.gpus[step.gpu] === step.state,
    );
    expect(idle).toEqual([]);
  });

  test('ask for more than there is only now and then', () => {
    const taken = takeSteps(5, 2000);
    const over = taken.filter(({ before }) => freeGpus(before) < 0).length;
    expect(over).toBeGreaterThan(0);
    expect(over).toBeLessThan(taken.length / 2);
  });
});
