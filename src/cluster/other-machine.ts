import type { ApiProblem, NodeIdentity } from './node-api.ts';

/**
 * Whether a node of that name is on another machine: to write to it would be worse than not to write. `null` where it is on this one, or
 * nobody can tell.
 * @param subject how the sentence begins
 * @param own the boot id of this machine; `null` when it cannot be read
 */
export function findOtherMachine(
  subject: string,
  { bootId }: Pick<NodeIdentity, 'bootId'>,
  own: string | null,
): ApiProblem | null {
  if (own === null || bootId === null || own === bootId) return null;
  const message =
    `${subject} is another machine, or this one before its last boot: its boot id is ${bootId}, and here it is ${own}. ` +
    "Unless it has just booted, give this node's name (cluster.nodeName, --node-name, NODE_NAME)";
  return { kind: 'other-machine', message, retryAfterMs: 0 };
}
