import type { SelfProgram } from './agent-process.ts';
import { orAborted, throwIfAborted } from '../lib/abort.ts';
import { describeError } from '../lib/errors.ts';
import { storySteps } from './story-steps.ts';
import { openStoryNode, type GpuRow, type StoryNode } from './story-node.ts';

/** What a step of the demo says. `facts` are lines for a person; `node` is how the node looks after it. */
export type StoryEvent =
  | { readonly kind: 'begun'; readonly number: number; readonly of: number; readonly title: string }
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
 * Tells the demo: a real agent process and a stand-in kubelet on a simulated node, step by step. Each step is checked; the story
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
  await using node = await openStoryNode(options);
  for (const [position, step] of storySteps.entries()) {
    throwIfAborted(signal);
    const number = position + 1;
    yield { kind: 'begun', number, of: storySteps.length, title: step.title };
    const startedMs = performance.now();
    const { kept, facts } = await orAborted(attempt(step.run, node), signal);
    const milliseconds = Math.round(performance.now() - startedMs);
    const { title, promise } = step;
    yield { kind: 'ended', number, title, promise, kept, facts, milliseconds, node: node.rows() };
    if (!kept) return;
  }
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
