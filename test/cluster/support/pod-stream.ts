import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterNode } from './cluster-node.ts';
import { container, pod } from './pod-spec.ts';
import { waitFor } from './wait.ts';

/** What became of one pod with a GPU. */
export type PodFate =
  | { readonly kind: 'failed'; readonly name: string; readonly reason: string }
  | { readonly kind: 'ran'; readonly name: string; readonly use: GpuUse };

/** Which GPU a container saw, and from when to when it ran, in seconds since the machine's start. */
export interface GpuUse {
  readonly gpu: string;
  readonly from: number;
  readonly until: number;
  /** Ids that the kubelet had in its records for the container while it ran; `null` when it had ended before they were read. */
  readonly given: readonly string[] | null;
}

const everyMs = 1000;
/** Says at its end what it saw: the machine's uptime is the same in every container. */
const useGpu =
  'read from rest < /proc/uptime; sleep 2; read until rest < /proc/uptime; ' +
  'echo "gpu=$NVIDIA_VISIBLE_DEVICES from=$from until=$until."';

/** Makes a pod that asks for one GPU each second, and resolves with the fate of each when all have ended. */
export async function streamPods(node: ClusterNode, count: number): Promise<readonly PodFate[]> {
  const fates: Promise<PodFate>[] = [];
  const startedMs = performance.now();
  for (let made = 0; made < count; made += 1) {
    await delay(Math.max(0, startedMs + made * everyMs - performance.now()));
    const fate = follow(node, `stream-${made}`);
    fate.catch(() => undefined);
    fates.push(fate);
  }
  return Promise.all(fates);
}

/** Pairs of containers that ran at the same time and saw the same GPU. */
export function doubleUses(fates: readonly PodFate[]): readonly string[] {
  const ran = fates.flatMap((fate) => (fate.kind === 'ran' ? [fate] : []));
  return ran.flatMap((one, at) =>
    ran
      .slice(at + 1)
      .filter(({ use }) => use.gpu === one.use.gpu && use.from < one.use.until && one.use.from < use.until)
      .map(({ name, use }) => `${use.gpu}: ${one.name} and ${name}`),
  );
}

async function follow(node: ClusterNode, name: string): Promise<PodFate> {
  const { metadata } = await node.pods.create(
    pod(name, { restartPolicy: 'Never', containers: [container('main', 1, useGpu)] }),
  );
  await node.pods.waitFor(name, 'it has started', ({ status }) => status?.phase !== 'Pending');
  // The records are a file: to ask the kubelet while pods are being admitted would disturb its books.
  const records = await node.recordsOf(metadata?.uid);
  const { status } = await node.pods.waitUntilEnded(name);
  if (status?.phase === 'Failed') {
    return { kind: 'failed', name, reason: `${status.reason ?? ''}: ${status.message ?? ''}` };
  }
  const given = records.length === 0 ? null : records.flatMap(({ ids }) => ids);
  return { kind: 'ran', name, use: { ...(await readUse(node, name)), given } };
}

async function readUse(node: ClusterNode, name: string): Promise<Omit<GpuUse, 'given'>> {
  const said = await waitFor(
    `${name} has said what it saw`,
    async () => /gpu=(\S*) from=([\d.]+) until=([\d.]+)\./.exec(await node.pods.log(name, 'main')),
    (words) => words !== null,
  );
  const [, gpu = '', from, until] = said ?? [];
  return { gpu, from: Number(from), until: Number(until) };
}
