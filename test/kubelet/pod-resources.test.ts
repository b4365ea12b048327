import type { sendUnaryData } from '@grpc/grpc-js';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ContainerDevices } from '../../src/kubelet/contract.ts';
import { listHealthyDevices, listHeldDevices } from '../../src/kubelet/pod-resources.ts';
import { podResourcesService } from '../../src/kubelet/wire.ts';
import { shortFolder } from '../support/short-folder.ts';
import { serveAt, servePodResources } from './serve-at.ts';

const forEver = new AbortController().signal;

function ask(socket: string): ReturnType<typeof listHeldDevices> {
  return listHeldDevices(socket, () => true, forEver);
}

function held(pod: string, ...deviceIds: string[]): ContainerDevices {
  return { namespace: 'default', pod, container: 'main', resourceName: 'nvidia.com/gpu', deviceIds };
}

describe('the pod resources', () => {
  it('are null where the kubelet has no such socket', async () => {
    expect(await ask(join(await shortFolder(), 'kubelet.sock'))).toBeNull();
  });

  it('are what the kubelet lists, asked once', async () => {
    const socket = join(await shortFolder(), 'kubelet.sock');
    const answer = [held('a', 'GPU-1'), held('b', 'GPU-2', 'GPU-3')];
    const server = await servePodResources(socket, () => answer);
    expect(await ask(socket)).toEqual(answer);
    expect(server.calls()).toBe(1);
  });

  it('are told apart from the healthy devices, which are asked for without a side effect', async () => {
    const folder = await shortFolder();
    expect(await listHealthyDevices(join(folder, 'none.sock'), forEver)).toBeNull();
    const socket = join(folder, 'kubelet.sock');
    const answer = [{ resourceName: 'nvidia.com/gpu', deviceIds: ['GPU-1', 'GPU-2'] }];
    await serveAt(socket, podResourcesService, {
      GetAllocatableResources: (_call: unknown, respond: sendUnaryData<typeof answer>) =>
        respond(null, answer),
    });
    expect(await listHealthyDevices(socket, forEver)).toEqual(answer);
    await expect(ask(socket)).rejects.toThrow(/The pod resources API on .* failed/);
  });

  it('may be far larger than what gRPC takes unasked', async () => {
    const socket = join(await shortFolder(), 'kubelet.sock');
    const ids = Array.from({ length: 200_000 }, (_, index) => `GPU-${String(index).padStart(36, '0')}`);
    await servePodResources(socket, () => [{ ...held('large'), deviceIds: ids }]);
    const listed = await ask(socket);
    expect(listed).toMatchObject([{ deviceIds: { length: 200_000 } }]);
  });

  it('are not listed when the kubelet has turned busy while we connected', async () => {
    const socket = join(await shortFolder(), 'kubelet.sock');
    const server = await servePodResources(socket, () => []);
    expect(await listHeldDevices(socket, () => false, forEver)).toBe('busy');
    expect(server.calls()).toBe(0);
  });

  it.for<[string, (socket: string) => Promise<unknown>]>([
    [
      'a kubelet that leaves the call open',
      (socket) => serveAt(socket, podResourcesService, { List: () => {} }),
    ],
    ['a kubelet that accepts and says nothing', (socket) => acceptAndBeSilent(socket)],
  ])('are not waited for after the signal, by %s', async ([, serve]) => {
    const socket = join(await shortFolder(), 'kubelet.sock');
    await serve(socket);
    const stop = new AbortController();
    const listing = listHeldDevices(socket, () => true, stop.signal);
    listing.catch(() => undefined);
    await delay(100);
    stop.abort('SIGTERM');
    await expect(listing).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('that are refused are an error with the reason', async () => {
    const socket = join(await shortFolder(), 'kubelet.sock');
    await servePodResources(socket, () => {
      throw new Error('rejected by rate limit');
    });
    await expect(ask(socket)).rejects.toMatchObject({
      code: 'pod-resources-failed',
      message: expect.stringContaining(socket) as string,
      cause: { details: 'rejected by rate limit' },
    });
  });

  it('on a socket that nobody serves are an error', async () => {
    const socket = join(await shortFolder(), 'kubelet.sock');
    const server = createServer((connection) => connection.destroy());
    await listenOn(server, socket);
    await expect(ask(socket)).rejects.toMatchObject({ code: 'pod-resources-failed' });
  });
});

async function acceptAndBeSilent(socket: string): Promise<void> {
  await listenOn(createServer(), socket);
}

async function listenOn(server: Server, socket: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(socket, resolve);
  await promise;
  onTestFinished(() => void server.close());
}
