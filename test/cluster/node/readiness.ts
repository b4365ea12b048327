import { CoreV1Api, Health, KubeConfig } from '@kubernetes/client-node';
import { setTimeout as delay } from 'node:timers/promises';
import { type Layout, node } from './layout.ts';
import type { Supervisor } from './supervisor.ts';

const patienceMs = 120_000;

/**
 * Resolves when the API server says that it is ready.
 * @throws at the deadline
 */
export async function waitUntilServing(paths: Layout): Promise<void> {
  const health = new Health(clusterClient(paths).config);
  const end = performance.now() + patienceMs;
  while (!(await health.readyz({}).catch(() => false))) {
    if (performance.now() > end) throw new Error('the API server is not ready');
    await delay(100);
  }
}

/**
 * Resolves when the node is Ready and a pod can be made: that needs the namespace's default service account too.
 * @throws when a program has ended, or at the deadline
 */
export async function waitUntilReady(paths: Layout, supervisor: Supervisor): Promise<void> {
  const { api } = clusterClient(paths);
  const programs = await supervisor.list();
  const end = performance.now() + patienceMs;
  for (;;) {
    const problem = await findProblem(api);
    if (problem === null) return;
    const running = new Set(await supervisor.list());
    const gone = programs.filter((program) => !running.has(program));
    if (gone.length > 0) throw new Error(`${gone.join(', ')} ended`);
    if (performance.now() > end) throw new Error(problem);
    await delay(100);
  }
}

/** The administrator's client of a cluster. */
export function clusterClient(paths: Layout): { readonly api: CoreV1Api; readonly config: KubeConfig } {
  const config = new KubeConfig();
  config.loadFromFile(paths.kubeconfig);
  return { api: config.makeApiClient(CoreV1Api), config };
}

async function findProblem(api: CoreV1Api): Promise<string | null> {
  try {
    const { status } = await api.readNode({ name: node.name });
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    if (ready?.status !== 'True')
      return `the node is not Ready: ${ready?.message ?? 'it has no such condition'}`;
    await api.readNamespacedServiceAccount({ name: 'default', namespace: 'default' });
    return null;
  } catch (thrown) {
    return String(thrown);
  }
}
