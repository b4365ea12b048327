import type { Latest } from '../lib/latest.ts';
import { type Followed, followNode, type FollowNodeDeps } from './follow-node.ts';

/** What is known of one label of a node; `null` where the node does not have it or it is empty. */
export type LabelState = Followed<string | null>;

export interface FollowLabelDeps extends FollowNodeDeps {
  readonly label: string;
}

/** Keeps `state` as the node's label is, as `followNode` does. */
export async function followLabel(
  state: Latest<LabelState>,
  { label, ...deps }: FollowLabelDeps,
  signal: AbortSignal,
): Promise<void> {
  const pick = {
    part: 'labels',
    says: { works: "the node's label is followed", subject: "the node's label" },
    pick: ({ labels }: { readonly labels: Readonly<Record<string, string>> }) => labels[label] || null,
    fields: { label },
  } as const;
  await followNode(state, pick, deps, signal);
}
