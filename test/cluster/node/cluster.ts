import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildPrograms, type Programs } from '../build/build-programs.ts';
import { writeAccess } from './access.ts';
import { type Component, componentArgs } from './components.ts';
import { type KubeletOptions, writeConfigFiles } from './config-files.ts';
import { type Layout, layout } from './layout.ts';
import { Supervisor } from './supervisor.ts';
import { waitUntilReady, waitUntilServing } from './readiness.ts';

/** A cluster of one node, its folder and the way to its programs. Disposing ends it and removes the folder. */
export interface Cluster extends AsyncDisposable {
  readonly paths: Layout;
  readonly programs: Programs;
  readonly supervisor: Supervisor;
}

export interface ClusterOptions {
  readonly kubelet?: Partial<KubeletOptions>;
  /** Default `tied`: it ends with this process, however that ends. */
  readonly life?: 'tied' | 'detached';
}

/**
 * Starts a cluster whose node is Ready and takes pods.
 * @param state a folder that is empty or not there; short, because it is part of socket paths (at most 107 bytes each)
 */
export async function startCluster(
  programs: Programs,
  state: string,
  options: ClusterOptions = {},
): Promise<Cluster> {
  const paths = layout(state);
  const supervisor = new Supervisor(programs, state);
  const held = await supervisor.hold(options.life ?? 'tied');
  const end = async (): Promise<void> => {
    if (held.process === null || held.process.exitCode !== null) return supervisor.down();
    // It does not keep this process alive, but its end is worth waiting for.
    held.process.ref();
    const ended = once(held.process, 'exit');
    held.process.stdin?.end();
    await ended;
  };
  try {
    await writeConfigFiles(programs, paths.etc, held.cgroup, { nodeStatusSeconds: 1, ...options.kubelet });
    await writeAccess(programs, paths.etc, held.port);
    await writeFile(paths.note, JSON.stringify({ kubernetes: programs.kubernetes }));
    const start = async (component: Component): Promise<void> =>
      supervisor.start(component, [programs.path(component), ...componentArgs(component, paths.etc)]);
    await start('containerd');
    await start('etcd');
    await start('kube-apiserver');
    await importImages(programs, supervisor);
    // It ends when the API server is not ready within 10 s, which on a busy machine is soon over.
    await waitUntilServing(paths);
    await start('kube-controller-manager');
    await start('kube-scheduler');
    await start('kube-proxy');
    await start('kubelet');
    await waitUntilReady(paths, supervisor);
  } catch (thrown) {
    const logs = await lastLines(paths);
    await end();
    throw new Error(`The cluster did not come up. Its programs' last words:\n${logs}`, { cause: thrown });
  }
  return { paths, programs, supervisor, [Symbol.asyncDispose]: end };
}

/** A cluster that another process has started. Disposing leaves it alone. */
export async function attachCluster(state: string): Promise<Cluster> {
  const paths = layout(state);
  const { kubernetes } = JSON.parse(await readFile(paths.note, 'utf8')) as { kubernetes: string };
  const programs = await buildPrograms(kubernetes);
  return {
    paths,
    programs,
    supervisor: new Supervisor(programs, state),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function importImages(programs: Programs, supervisor: Supervisor): Promise<void> {
  for (const archive of ['pause.tar', 'busybox.tar']) await importImage(programs, supervisor, archive);
}

/** Puts an image of the programs on the node; nothing is pulled there. */
export async function importImage(
  programs: Programs,
  supervisor: Supervisor,
  archive: string,
): Promise<void> {
  const args = ['-n', 'k8s.io', 'images', 'import', programs.path(archive)];
  // containerd needs a moment before it answers; it makes its socket only then.
  const script =
    'for i in $(seq 300); do ctr version >/dev/null 2>&1 && exec ctr "$@"; sleep 0.1; done; exit 1';
  const { code, stderr } = await supervisor.run(['sh', '-c', script, 'import', ...args]);
  if (code !== 0) throw new Error(`The image ${archive} could not be imported: ${stderr}`);
}

/** The end of every program's log. */
async function lastLines(paths: Layout): Promise<string> {
  const files = (await readdir(paths.log)).filter((name) => name.endsWith('.log'));
  const tails = files.map(async (name) => {
    const lines = (await readFile(join(paths.log, name), 'utf8')).trimEnd().split('\n');
    return `--- ${name}\n${lines.slice(-8).join('\n')}`;
  });
  return (await Promise.all(tails)).join('\n');
}
