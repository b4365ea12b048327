import type { SelfProgram } from '../agent-process.ts';
import { orAborted, throwIfAborted } from '../../lib/abort.ts';
import { describeError } from '../../lib/errors.ts';
import type { StoryStep } from './story-checks.ts';
import { storyChapters } from './story-chapters.ts';
import { openStoryNode, type StoryNode } from './story-node.ts';
import type { GpuRow } from './story-rows.ts';

/** What a step of the demo says. `facts` are lines for a person; `node` is how the node looks after it. */
export type StoryEvent =
  | {
      readonly kind: 'begun';
      readonly number: number;
      readonly of: number;
      readonly title: string;
      /** What the step is going to wait for, when that is more than a moment. */
      readonly waits: string | null;
    }
  | {
      readonly kind: 'ended';
      readonly number: number;
      readonly title: string;
      /** The promise that the step puts to the test. */
      readonly promise: string;
      readonly kept: boolean;
      readonly facts: readonly string[];
      readonly milliseconds: number;
      readonly node: readonly GpuRow[];
    };

/**
 * Tells the demo: real agent processes and stand-in kubelets on simulated nodes, one for each chapter, step by step. Each step is checked; the story
 * goes on after a broken promise only where later steps still mean something, so it ends at the first broken one.
 * @throws an AbortError as soon as the signal aborts, also in the middle of a step
 */
export async function* tellStory(
  options: {
    readonly scenario: string;
    readonly self: SelfProgram;
    readonly env: Readonly<Record<string, string | undefined>>;
  },
  signal: AbortSignal,
): AsyncGenerator<StoryEvent, void, void> {
  const of = storyChapters.reduce((sum, { steps }) => sum + steps.length, 0);
  let number = 0;
  for (const { scenario, config, steps } of storyChapters) {
    const stage = { ...options, scenario: scenario ?? options.scenario, ...(config !== null && { config }) };
    await using node = await openStoryNode(stage);
    for (const step of steps) {
      throwIfAborted(signal);
      number += 1;
      yield { kind: 'begun', number, of, title: step.title, waits: step.waits ?? null };
      const ended = await tellStep(step, number, node, signal);
      yield ended;
      if (!ended.kept) return;
    }
  }
}

async function tellStep(
  { title, promise, run }: StoryStep,
  number: number,
  node: StoryNode,
  signal: AbortSignal,
): Promise<Extract<StoryEvent, { kind: 'ended' }>> {
  const startedMs = performance.now();
  const { kept, facts } = await orAborted(attempt(run, node), signal);
  const milliseconds = Math.round(performance.now() - startedMs);
  return { kind: 'ended', number, title, promise, kept, facts, milliseconds, node: node.rows() };
}

async function attempt(
  run: (node: StoryNode) => Promise<readonly string[]>,
  node: StoryNode,
): Promise<{ kept: boolean; facts: readonly string[] }> {
  try {
    return { kept: true, facts: await run(node) };
  } catch (thrown) {
    return { kept: false, facts: [describeError(thrown), ...node.lastLogLines()] };
  }
}
