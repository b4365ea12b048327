import { execFile } from 'node:child_process';
import { mkdir, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { startKubelet } from '../../src/simulator/kubelet/kubelet.ts';
import { gpuResource, type RunningAgent, startRunningAgent } from './support/running-agent.ts';

const args = ['--device-discovery-strategy', 'simulated', '--scenario', 'v100x4'];
const run = promisify(execFile);

/** Waits until the agent has tried for a while, then sees that it is up and has said so only once. */
async function expectPatience(node: RunningAgent, reason: string): Promise<void> {
  await node.waitForReadyz(503, [reason]);
  await node.poll(
    () => node.logged(reason).length,
    (count) => count > 0,
    'it is logged',
  );
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await vi.waitFor(() => expect(node.logged(reason)).toHaveLength(1), 5000);
  expect(node.logged(reason)[0]).toMatchObject({ level: 'warn' });
  expect((await node.get('/livez')).status).toBe(200);
}

async function expectService(node: RunningAgent): Promise<void> {
  await node.waitForGpus(4);
  await node.waitForReadyz(200);
  expect((await node.admit('pod', 4)).phase).toBe('Running');
  await vi.waitFor(() => expect(node.logged('slicewise agent starts')).toHaveLength(1), 5000);
}

describe.concurrent("the kubelet's folder", () => {
  test('is missing: waited for, said once, not ready with the reason', async () => {
    await using node = await startRunningAgent({ args, kubelet: 'later' });
    await expectPatience(node, 'cannot be made, because its folder does not exist');
    await node.startKubelet();
    await expectService(node);
  });

  test('is a file: waited for, said once, not ready with the reason', async () => {
    await using node = await startRunningAgent({ args, kubelet: 'later', files: { 'device-plugins': '' } });
    await expectPatience(node, 'cannot be made, because what should be its folder is a file');
    await rm(node.path('device-plugins'));
    await node.startKubelet();
    await expectService(node);
  });

  test('is mounted read-only: waited for, said once, not ready with the reason', async ({ skip }) => {
    await using node = await startRunningAgent({
      args,
      kubelet: 'later',
      async prepare(folder) {
        const why = await mountReadOnly(folder);
        if (why !== null) process.stderr.write(`skipped: a kubelet's folder that is read-only: ${why}\n`);
        skip(why !== null, why ?? '');
      },
    });
    try {
      await expectPatience(
        node,
        'cannot be written; the agent needs uid 0 and the folder mounted read-write',
      );
      await run('mount', ['-o', 'remount,rw', node.folder]);
      await node.startKubelet();
      await expectService(node);
    } finally {
      await unmount(node.folder);
    }
  });

  test('has no kubelet yet: waited for, said once, not ready with the reason', async () => {
    await using node = await startRunningAgent({
      args,
      kubelet: 'later',
      prepare: (folder) => mkdir(join(folder, 'device-plugins')),
    });
    const reason = `there is no socket at ${node.path('device-plugins/kubelet.sock')}`;
    await expectPatience(node, reason);
    expect((await node.get('/readyz')).body).toBe(`kubelet: ${gpuResource} is not registered: ${reason}\n`);
    await node.startKubelet();
    await expectService(node);
  });

  test('has the socket of a kubelet that is gone: asked again, said once, not ready with the reason', async () => {
    await using node = await startRunningAgent({ args, kubelet: 'later', prepare: leaveDeadSocket });
    await expectPatience(node, `No kubelet answers on ${node.path('device-plugins/kubelet.sock')}`);
    await node.startKubelet();
    await expectService(node);
  });

  test('has the longest name that leaves room for the sockets in it', async () => {
    await using node = await startRunningAgent({
      kubelet: 'later',
      args: (folder) => [...args, '--kubelet-socket', join(longestFolder(folder), 'kubelet.sock')],
      prepare: (folder) => mkdir(longestFolder(folder)),
    });
    const registrationSocket = join(longestFolder(node.folder), 'kubelet.sock');
    await using kubelet = await startKubelet({ folder: node.folder, registrationSocket });
    await kubelet.waitForAllocatable(gpuResource, 4, 20_000);
    const { endpoint } = await kubelet.waitForEvent('registered');
    expect(Buffer.byteLength(join(longestFolder(node.folder), endpoint))).toBe(107);
  });
});

/** A folder in which the path of a socket of the agent has 107 bytes. */
function longestFolder(base: string): string {
  const name = 'slicewise-gpu-12345678.sock';
  return join(base, 'f'.repeat(107 - base.length - name.length - 2));
}

async function leaveDeadSocket(folder: string): Promise<void> {
  const socket = join(folder, 'device-plugins/kubelet.sock');
  await mkdir(dirname(socket));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${socket}.first`, resolve));
  // Closing removes the file under the name that was listened on.
  await rename(`${socket}.first`, socket);
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

/** Mounts an empty file system with the kubelet's folder in it; why that is not possible here, or null. */
async function mountReadOnly(folder: string): Promise<string | null> {
  try {
    await run('mount', ['-t', 'tmpfs', 'tmpfs', folder]);
  } catch (thrown) {
    return String(thrown);
  }
  await mkdir(join(folder, 'device-plugins'));
  await run('mount', ['-o', 'remount,ro', folder]);
  return null;
}

async function unmount(folder: string): Promise<void> {
  await run('umount', ['-l', folder]);
}
