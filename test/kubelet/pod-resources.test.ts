import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ContainerDevices } from '../../src/kubelet/contract.ts';
import { listHeldDevices } from '../../src/kubelet/pod-resources.ts';
import { shortFolder } from '../support/short-folder.ts';
import { servePodResources } from './serve-at.ts';

function held(pod: string, ...deviceIds: string[]): ContainerDevices {
  return { namespace: 'default', pod, container: 'main', resourceName: 'nvidia.com/gpu', deviceIds };
}

describe('the pod resources', () => {
  it('are null where the kubelet has no such socket', async () => {
    expect(await listHeldDevices(join(await shortFolder(), 'kubelet.sock'))).toBeNull();
  });

  it('are what the kubelet lists, asked once', async () => {
    const socket = join(await shortFolder(), 'kubelet.sock');
    const answer = [held('a', 'GPU-1'), held('b', 'GPU-2', 'GPU-3')];
    const server = await servePodResources(socket, () => answer);
    expect(await listHeldDevices(socket)).toEqual(answer);
    expect(server.calls()).toBe(1);
  });

  it('may be far larger than what gRPC takes unasked', async () => {
    const socket = join(await shortFolder(), 'kubelet.sock');
    const ids = Array.from({ length: 200_000 }, (_, index) => `GPU-${String(index).padStart(36, '0')}`);
    await servePodResources(socket, () => [{ ...held('large'), deviceIds: ids }]);
    const listed = await listHeldDevices(socket);
    expect(listed?.[0]?.deviceIds).toHaveLength(200_000);
  });

  it('that are refused are an error with the reason', async () => {
    const socket = join(await shortFolder(), 'kubelet.sock');
    await servePodResources(socket, () => {
      throw new Error('rejected by rate limit');
    });
    await expect(listHeldDevices(socket)).rejects.toMatchObject({
      code: 'pod-resources-failed',
      message: expect.stringContaining(socket) as string,
      cause: { details: 'rejected by rate limit' },
    });
  });

  it('on a socket that nobody serves are an error', async () => {
    const socket = join(await shortFolder(), 'kubelet.sock');
    const server = createServer((connection) => connection.destroy());
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(socket, resolve);
    await promise;
    onTestFinished(() => void server.close());
    await expect(listHeldDevices(socket)).rejects.toMatchObject({ code: 'pod-resources-failed' });
  });
});
