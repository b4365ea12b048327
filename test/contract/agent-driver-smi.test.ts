import { join } from 'node:path';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { writeProgram, writeReplayProgram } from '../support/smi-replay.ts';
import { readUuids } from './support/capture-uuids.ts';
import { isRunning, waitForEnd } from './support/processes.ts';
import { gpuResource, type RunningAgent, startRunningAgent } from './support/running-agent.ts';

/** Nobody can say what the PCI bus of the node has. */
const args = (folder: string): readonly string[] => [
  '--device-discovery-strategy',
  'smi',
  '--nvidia-smi',
  join(folder, 'nvidia-smi'),
  '--sysfs-root',
  join(folder, 'sys'),
];

describe('nvidia-smi', () => {
  test.for(['h100', 'rtx-2080-super', 'rtx-4080-super'] as const)(
    'of a real machine (%s): exactly its GPUs are registered',
    async (capture) => {
      await using node = await startRunningAgent({
        args,
        prepare: async (folder) => {
          await writeReplayProgram(folder, capture);
        },
      });
      const uuids = readUuids(capture);
      await node.waitForGpus(uuids.length);
      expect(node.listed()).toEqual(Object.fromEntries(uuids.map((uuid) => [uuid, 'Healthy'])));
      await node.admit('pod', uuids.length);
      expect(node.kubelet.holdings()[0]?.response.envs['NVIDIA_VISIBLE_DEVICES']).toBe(uuids.join());
    },
  );

  test.for([
    {
      what: 'garbage',
      script: 'echo "<html>404</html>"',
      status: 503,
      reason: 'printed no GPU: "<html>404</html>"',
    },
    { what: 'nothing', script: 'exit 0', status: 503, reason: 'printed no GPU: nothing' },
    {
      what: 'that there is no driver',
      script: 'echo "NVIDIA-SMI has failed because of the driver."; exit 9',
      status: 200,
      reason:
        'ended with status 9 (the NVIDIA driver is not loaded) and said "NVIDIA-SMI has failed because of the driver."',
    },
  ] as const)(
    'says $what: said once with the reason; served as soon as it answers',
    async ({ script, status, reason }) => {
      await using node = await startRunningAgent({
        args,
        prepare: async (folder) => {
          await writeProgram(folder, script);
        },
      });
      await node.waitForReadyz(status, [reason]);
      expect(node.kubelet.events.map(({ kind }) => kind)).toEqual(['started']);
      await rename(
        await elsewhere(node.folder, (folder) => writeReplayProgram(folder, 'h100')),
        program(node),
      );
      await node.waitForGpus(1);
      await node.waitForReadyz(200);
      expect(node.logged('the GPUs cannot be read')).toHaveLength(1);
    },
  );

  test('never ends: not ready meanwhile; the agent stops all the same and takes it along', async () => {
    await using node = await startRunningAgent({
      args,
      prepare: async (folder) => {
        await writeProgram(
          folder,
          `echo $$ >'${folder}/pid.new'; mv '${folder}/pid.new' '${folder}/pid'; exec sleep 1000`,
        );
      },
    });
    await node.waitForReadyz(503, ['inventory: the GPUs are being read for the first time']);
    const pid = Number(
      await node.poll(
        () => readFile(node.path('pid'), 'utf8').catch(() => ''),
        (text) => text !== '',
        'nvidia-smi is running',
      ),
    );
    expect(isRunning(pid)).toBe(true);
    expect(await node.stop()).toBe(0);
    await waitForEnd(pid);
  });

  test('fails while running: the last list stays in force, and /readyz says so', async () => {
    await using node = await startRunningAgent({
      args,
      prepare: async (folder) => {
        await writeReplayProgram(folder, 'h100');
      },
    });
    await node.waitForGpus(1);
    const lists = (): number => node.kubelet.events.filter(({ kind }) => kind === 'list').length;
    const before = lists();
    await rename(program(node), node.path('good'));
    await writeProgram(node.folder, 'echo oops >&2; exit 77');
    await node.waitForReadyz(200, ['the newest reading failed: ', 'ended with status 77 and said "oops"']);
    expect((await node.admit('pod', 1)).phase).toBe('Running');
    await rename(node.path('good'), program(node));
    await node.waitForLog('the driver answers again');
    expect(node.kubelet.nodeStatus()[gpuResource]).toEqual({ capacity: 1, allocatable: 1 });
    expect(lists()).toBe(before);
  });
});

function program(node: RunningAgent): string {
  return node.path('nvidia-smi');
}

/** Has a program written into a folder beside, from where it can be put in place at once. */
async function elsewhere(folder: string, write: (folder: string) => Promise<string>): Promise<string> {
  await mkdir(join(folder, 'new'));
  return write(join(folder, 'new'));
}
