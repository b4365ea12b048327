import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { standInLibrary } from '../../support/nvml-library.ts';
import type { ClusterNode } from './cluster-node.ts';

/** Why NVIDIA's own plugin cannot run on the node; `null` when it can. */
export async function whyNoNvidiaPlugin({ cluster }: ClusterNode): Promise<string | null> {
  const library = await standInLibrary();
  return cluster.programs.missing['nvidia-plugin'] ?? ('missing' in library ? library.missing : null);
}

/**
 * Starts NVIDIA's device plugin on the node, as its own chart does: with no flags, or with a config file. What it takes for the
 * driver is the stand-in for libnvidia-ml, which has the node's simulated GPUs. Disposing ends it as the kubelet ends a pod.
 * @param config a config file of its own
 * @param memoryMiB of each GPU
 */
export async function startNvidiaPlugin(
  { cluster, gpus }: ClusterNode,
  { config, memoryMiB = 32_768 }: { readonly config?: string; readonly memoryMiB?: number } = {},
): Promise<AsyncDisposable> {
  const library = await standInLibrary();
  if ('missing' in library) throw new Error(library.missing);
  const folder = dirname(gpus.file);
  const scenario = join(folder, 'nvml.scenario');
  const lines = [`gpus ${gpus.ids.length}`, `gpu * memory ${memoryMiB}`, 'links * 0'];
  await writeFile(scenario, [...lines, ...gpus.ids.map((id, gpu) => `gpu ${gpu} uuid ${id}`), ''].join('\n'));
  const file = join(folder, 'nvidia-plugin.yaml');
  if (config !== undefined) await writeFile(file, config);
  const program = [
    cluster.programs.path('nvidia-device-plugin'),
    ...(config === undefined ? [] : [`--config-file=${file}`]),
  ];
  const [executable, ...args] = cluster.supervisor.inside(program);
  const child = spawn(executable, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...cluster.supervisor.environment,
      LD_LIBRARY_PATH: dirname(library.path),
      NVML_STAND_IN_SCENARIO: scenario,
    },
  });
  const ended = once(child, 'close');
  const said = text(child.stderr);
  return {
    async [Symbol.asyncDispose]() {
      const endedByItself = child.exitCode !== null || child.signalCode !== null;
      child.kill('SIGTERM');
      await ended;
      if (endedByItself) throw new Error(`NVIDIA's plugin has ended by itself:\n${await said}`);
    },
  };
}
