import type { StoryStep } from './story-checks.ts';
import type { StoryScenario } from './story-node.ts';
import { healthSteps } from './story-steps-health.ts';
import { memoryConfig, memoryScenario, memorySteps } from './story-steps-memory.ts';
import { migSteps } from './story-steps-mig.ts';
import { sliceSteps } from './story-steps-slices.ts';
import { gpuSteps } from './story-steps.ts';

/** A part of the demo that has a node of its own. */
export interface StoryChapter {
  /** A preset, or a scenario file's content; `null` for the scenario that the demo was given. */
  readonly scenario: StoryScenario | null;
  /** The agent's config file; `null` for none. */
  readonly config: object | null;
  readonly steps: readonly StoryStep[];
}

/** The demo, in order. */
export const storyChapters: readonly StoryChapter[] = [
  { scenario: null, config: null, steps: gpuSteps },
  { scenario: 'a100x2-mig-mixed', config: { flags: { migStrategy: 'mixed' } }, steps: migSteps },
  {
    scenario: null,
    config: {
      sharing: {
        timeSlicing: {
          failRequestsGreaterThanOne: true,
          resources: [{ name: 'nvidia.com/gpu', devices: [0], replicas: 4 }],
        },
      },
    },
    steps: sliceSteps,
  },
  { scenario: memoryScenario, config: memoryConfig, steps: memorySteps },
  { scenario: 'v100x4', config: { memory: { enabled: false } }, steps: healthSteps },
];
