import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildPrograms } from './build/build-programs.ts';
import { defaultKubernetes } from './build/kubernetes-module.ts';
import { startCluster } from './node/cluster.ts';

/**
 * Starts a cluster that stays: `cluster:up [STATE] [--kubernetes v1.36.3] [--node-status-seconds 10] [--tied]`. A tied one lives as
 * long as this program, which then stays too.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kubernetes: { type: 'string', default: defaultKubernetes },
    'node-status-seconds': { type: 'string', default: '10' },
    tied: { type: 'boolean', default: false },
  },
});
const state = resolve(positionals[0] ?? join(tmpdir(), 'slicewise'));
const programs = await buildPrograms(values.kubernetes);
const startedMs = performance.now();
const { paths } = await startCluster(programs, state, {
  life: values.tied ? 'tied' : 'detached',
  kubelet: { nodeStatusSeconds: Number(values['node-status-seconds']) },
});
const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
const kubectl = programs.path('kubectl');
process.stdout.write(
  `Ready after ${seconds} s. Use it with:\n\n` +
    `  export KUBECONFIG=${paths.kubeconfig}\n  alias kubectl=${kubectl}\n\n` +
    `The kubelet's folder is ${paths.devicePlugins}\n`,
);
