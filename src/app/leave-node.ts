import { tryServingLock } from '../kubelet/lock.ts';
import type { Log } from '../lib/log.ts';
import { removeLabels } from './labels/keep-labels.ts';
import type { Node } from './node.ts';

/** An end must not wait long for a server that does not answer. */
const removeWithinMs = 2000;

/**
 * Takes away what an agent that has served vouches for, its labels and the condition that says that all GPUs are well, at its end, unless
 * another one takes its place: it was ready for that, or serves by now. The serving lock is held meanwhile, so that an agent
 * that starts now writes after that and not before.
 */
export async function leaveNode(
  { labelSink, wellCondition, hasSuccessor }: Pick<Node, 'labelSink' | 'wellCondition' | 'hasSuccessor'>,
  kubeletFolder: string,
  log: Log,
): Promise<void> {
  const [labels, condition] = [labelSink.value, wellCondition.value];
  labelSink.set(null);
  wellCondition.set(null);
  if (labels === null && condition === null) return;
  if (!hasSuccessor.value) {
    using lock = tryServingLock(kubeletFolder);
    if (lock !== null)
      await Promise.all([
        labels === null ? null : removeLabels(labels, log),
        condition === null ? null : removeMark(condition, log),
      ]);
  }
  await Promise.all([labels?.[Symbol.asyncDispose](), condition?.[Symbol.asyncDispose]()]);
}

/** Never fails: what stays is said. */
export async function removeMark(
  mark: Pick<NonNullable<Node['wellCondition']['value']>, 'name' | 'remove'>,
  log: Log,
): Promise<void> {
  const result = await mark.remove(AbortSignal.timeout(removeWithinMs));
  if (!result.ok) log.warn(`the node's ${mark.name} stays: ${result.problem.message}`);
}
