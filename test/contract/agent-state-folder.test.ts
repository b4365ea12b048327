import { chown, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mustSkip } from '../support/nvml-header.ts';
import { startRunningAgent } from './support/running-agent.ts';

const root = process.getuid?.() === 0 ? { path: '/' } : { missing: 'giving a folder away needs root' };
const memory = 'nvidia.com/gpu-memory';

test.skipIf(mustSkip(root, 'the test of an agent whose state folder is of another user'))(
  'an agent whose state folder belongs to another user says so once, leaves it alone, and serves',
  async () => {
    await using node = await startRunningAgent({
      args: ['--scenario', 't4x1', '--memory-enabled'],
      async prepare(folder) {
        const state = join(folder, 'state');
        await mkdir(state);
        await writeFile(join(state, 'state.json'), '{}');
        await chown(state, 4242, 4242);
      },
    });
    const state = node.path('state');
    await node.kubelet.waitForAllocatable(memory, 14, 45_000);
    const pod = await node.kubelet.admit({
      name: 'pod',
      containers: [{ name: 'main', resources: { [memory]: 1 } }],
    });
    expect(pod.phase).toBe('Running');
    const reason = `${state} belongs to user 4242`;
    await node.waitForReadyz(200, [`nothing can be kept in ${state}`, reason]);
    const words = [
      'what the agent knew before',
      'what was held against GPUs before',
      'slicewise status cannot be answered',
      'nothing can be kept in',
    ];
    // Each task says its own in its own time.
    for (const said of words) await node.waitForLog(said);
    for (const said of words) expect(node.logged(said)).toMatchObject([{ level: 'warn' }]);
    expect(node.logged(reason)).toHaveLength(4);
    expect(await readdir(state)).toEqual(['state.json']);
    expect(await node.stop()).toBe(0);
    await rm(state, { recursive: true });
  },
);
