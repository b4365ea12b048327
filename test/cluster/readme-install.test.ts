import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { agentImage } from './build/agent-image.ts';
import { importImage } from './node/cluster.ts';
import { type ClusterNode, openClusterNode } from './support/cluster-node.ts';
import { helm } from './support/helm.ts';
import { simulatedGpuValues } from './support/installed-chart.ts';
import { labelNode } from './support/node-labels.ts';
import { onCluster } from './support/on-cluster.ts';
import { removeNamespace } from './support/own-namespace.ts';

const checkout = join(import.meta.dirname, '../..');
const registry = 'localhost';

/** The blocks of the section that are written in a language, in their order. */
async function readBlocks(language: string): Promise<readonly string[]> {
  const page = await readFile(join(checkout, 'README.md'), 'utf8');
  const [, section = ''] = /^## Install it on a cluster$([^]*?)^## /m.exec(page) ?? [];
  return [...section.matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
    .filter(([, found]) => found === language)
    .map(([, , text = '']) => text);
}

/** An admin's shell: the checkout as the working folder, Helm and kubectl for the cluster, and an engine that only says what it was asked. */
interface Shell extends AsyncDisposable {
  run(command: string): Promise<string>;
  readonly folder: string;
}

async function openShell({ cluster }: ClusterNode): Promise<Shell> {
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await symlink(join(checkout, 'charts'), join(folder, 'charts'));
  for (const name of ['helm', 'kubectl'])
    await writeFile(join(bin, name), `#!/bin/sh\nexec ${cluster.programs.path(name)} "$@"\n`);
  await writeFile(join(bin, 'docker'), '#!/bin/sh\necho "docker $*"\n');
  for (const name of ['helm', 'kubectl', 'docker']) await chmod(join(bin, name), 0o755);
  const env = {
    PATH: `${bin}:/usr/bin:/bin`,
    HOME: folder,
    KUBECONFIG: cluster.paths.kubeconfig,
    REGISTRY: registry,
  };
  return {
    folder,
    run: async (command) =>
      new Promise((resolve, reject) => {
        execFile('/bin/bash', ['-ec', command], { cwd: folder, env }, (error, stdout, stderr) => {
          if (error === null) resolve(stdout);
          else reject(new Error(`$ ${command}\n${stdout}${stderr}`, { cause: error }));
        });
      }),
    [Symbol.asyncDispose]: async () => rm(folder, { recursive: true, force: true }),
  };
}

/** The image is there under the name that the commands give it, as if it had been pulled. */
async function pullImage({ cluster }: ClusterNode, name: string): Promise<void> {
  await importImage(cluster.programs, cluster.supervisor, 'agent.tar');
  const tag = ['ctr', '-n', 'k8s.io', 'images', 'tag', '--force', agentImage, name];
  const { code, stderr } = await cluster.supervisor.run(tag);
  if (code !== 0) throw new Error(`The image could not be tagged: ${stderr}`);
}

onCluster('the commands of the README', () => {
  test('install, try and remove it, word for word', { timeout: 180_000 }, async () => {
    const commands = (await readBlocks('console'))
      .flatMap((block) => block.split('\n'))
      .filter((line) => line.startsWith('$ '))
      .map((line) => line.slice('$ '.length));
    expect(commands).toHaveLength(8);
    await using node = await openClusterNode();
    await using shell = await openShell(node);
    await using held = new AsyncDisposableStack();
    held.defer(async () => {
      await helm(['uninstall', 'slicewise', '--namespace', 'slicewise', '--ignore-not-found', '--wait'], {
        cluster: node.cluster,
      });
      await removeNamespace(node.api, 'slicewise');
    });
    await pullImage(node, `${registry}/slicewise:0.1.0`);
    // The node has none of the runtime classes of NVIDIA's toolkit; its label is what the other value asks for.
    held.use(await labelNode(node, { 'nvidia.com/gpu.present': 'true' }));
    const values = { ...simulatedGpuValues(node), nodes: 'labelled' };
    await writeFile(join(shell.folder, 'values.yaml'), stringify(values));

    const said: string[] = [];
    for (const command of commands) said.push(await shell.run(command));
    const [engine, , , , tried, nodes] = said;
    expect(engine).toBe(
      `docker build --tag ${registry}/slicewise:0.1.0 .\ndocker push ${registry}/slicewise:0.1.0\n`,
    );
    expect(tried).toContain('node1: nvidia.com/gpu: 4 offered, 4 allocatable\n');
    expect(nodes).toMatch(/^node1 +4$/m);
    const left = await helm(['list', '--all-namespaces', '--short'], { cluster: node.cluster });
    expect(left.stdout).toBe('');
  });

  test('are followed by values that the chart takes', async () => {
    const [values = ''] = await readBlocks('yaml');
    expect(values).toContain('runtimeClassName');
    const folder = await mkdtemp(join(tmpdir(), 'sw-'));
    try {
      await writeFile(join(folder, 'values.yaml'), values);
      const args = ['template', 'slicewise', join(checkout, 'charts/slicewise'), '--namespace', 'slicewise'];
      const { stdout, stderr } = await helm([...args, '--values', join(folder, 'values.yaml')]);
      expect(stderr).toBe('');
      expect(stdout).toContain('runtimeClassName: nvidia');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
