import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildPrograms } from './build/build-programs.ts';
import { attachCluster } from './node/cluster.ts';
import { layout } from './node/layout.ts';
import { clusterClient } from './node/readiness.ts';
import { Supervisor } from './node/supervisor.ts';
import { findTraces, machineSettings, type NodeTraces } from './support/footprint.ts';
import { onCluster } from './support/on-cluster.ts';
import { container, pod } from './support/pod-spec.ts';
import { Pods } from './support/pods.ts';
import { waitFor } from './support/wait.ts';

/** A folder that is not there yet, in one that is removed in the end. */
async function freshState(): Promise<AsyncDisposable & { readonly state: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  return {
    state: join(folder, 'c'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

async function waitUntilGone(traces: NodeTraces): Promise<void> {
  const ask = async (): Promise<readonly string[]> => findTraces(traces);
  await waitFor('nothing is left of the node', ask, (found) => found.length === 0);
}

onCluster('a cluster of the tests', () => {
  test('runs beside another, and leaves nothing behind when the test run that started it is killed', async () => {
    await using fresh = await freshState();
    const { state } = fresh;
    const settings = await machineSettings();
    const script = join(import.meta.dirname, 'up.ts');
    const run = spawn(process.execPath, [script, '--tied', state], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(run, 'exit');
    try {
      const up = await Promise.race([once(run.stdout, 'data'), ended.then(() => null)]);
      expect(up).not.toBeNull();
      const cluster = await attachCluster(state);
      const { api, config } = clusterClient(layout(state));
      const pods = new Pods(api, config, 'default');
      await pods.run(pod('resident', { containers: [container('main', 0)] }));
      const traces = await tracesOf(cluster.supervisor);
      expect((await findTraces(traces)).length).toBeGreaterThan(10);
      run.kill('SIGKILL');
      await waitUntilGone(traces);
      expect(await machineSettings()).toEqual(settings);
    } finally {
      run.kill('SIGKILL');
      await ended;
    }
  });

  test('leaves nothing behind when it is ended', async () => {
    await using fresh = await freshState();
    const supervisor = new Supervisor(await buildPrograms(), fresh.state);
    const traces = await whileHeld(supervisor, async () => {
      await supervisor.start('idler', ['sleep', '1000']);
      expect(await supervisor.list()).toEqual(['idler']);
      const found = await tracesOf(supervisor);
      expect((await findTraces(found)).join('\n')).toContain('sleep 1000');
      return found;
    });
    expect(await findTraces(traces)).toEqual([]);
  });

  test('ends with its supervisor, and the next one clears away what that could not', async () => {
    await using fresh = await freshState();
    const programs = await buildPrograms();
    const supervisor = new Supervisor(programs, fresh.state);
    const { process: held } = await supervisor.hold('tied');
    await supervisor.start('idler', ['sleep', '1000']);
    const traces = await tracesOf(supervisor);
    held?.kill('SIGKILL');
    const ask = async (): Promise<string> => (await findTraces(traces)).join('\n');
    const left = await waitFor('its processes are gone', ask, (found) => !found.includes('process'));
    expect(left).toContain(`folder ${fresh.state}`);
    expect(left).toContain('cgroup');
    await using other = await freshState();
    const next = new Supervisor(programs, other.state);
    await whileHeld(next, () => Promise.resolve());
    expect(await findTraces(traces)).toEqual([]);
  });

  test('does not take a folder that has something in it', async () => {
    await using fresh = await freshState();
    const programs = await buildPrograms();
    const inUse = new Supervisor(programs, join(fresh.state, '..'));
    await mkdir(fresh.state);
    await expect(inUse.hold('tied')).rejects.toThrow('the folder is not empty');
  });
});

/** Makes the node's namespaces, and ends them whatever happens meanwhile. */
async function whileHeld<T>(supervisor: Supervisor, use: () => Promise<T>): Promise<T> {
  await supervisor.hold('detached');
  try {
    return await use();
  } finally {
    await supervisor.down();
  }
}

async function tracesOf(supervisor: Supervisor): Promise<NodeTraces> {
  const { stdout } = await supervisor.run(['readlink', '/proc/self/ns/net']);
  const cgroup = await readFile(join(supervisor.state, 'cgroup'), 'utf8');
  return { state: supervisor.state, cgroup, networkNamespace: stdout.trim() };
}
