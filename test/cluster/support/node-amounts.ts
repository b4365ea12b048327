import type { CoreV1Api } from '@kubernetes/client-node';
import { node } from '../node/layout.ts';
import { waitFor } from './wait.ts';

/** What the node's status says of resources, as `allocatable/capacity`; `none` for a resource that it does not know. */
async function readAmounts(
  api: CoreV1Api,
  resources: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const { status } = await api.readNode({ name: node.name });
  return Object.fromEntries(
    resources.map((each) => {
      const capacity = status?.capacity?.[each];
      return [each, capacity === undefined ? 'none' : `${status?.allocatable?.[each] ?? 0}/${capacity}`];
    }),
  );
}

/** Resolves when the node's status says so, for example `{ 'nvidia.com/gpu': '3/4' }`. */
export async function waitForAmounts(
  { api }: { readonly api: CoreV1Api },
  wanted: Readonly<Record<string, string>>,
  deadlineMs?: number,
): Promise<void> {
  const resources = Object.keys(wanted);
  await waitFor(
    `the node's status says ${JSON.stringify(wanted)}`,
    async () => readAmounts(api, resources),
    (seen) => resources.every((each) => seen[each] === wanted[each]),
    deadlineMs,
  );
}
