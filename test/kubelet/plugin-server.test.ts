import { Client, credentials, type ClientReadableStream, status } from '@grpc/grpc-js';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:http2';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ListedDevice } from '../../src/kubelet/contract.ts';
import { servePlugin, type PluginServer } from '../../src/kubelet/plugin-server.ts';
import { devicePluginService } from '../../src/kubelet/wire.ts';
import { callOnce } from '../simulator/call-once.ts';
import { recordingLog } from '../support/recording-log.ts';
import { shortFolder } from '../support/short-folder.ts';
import { answerWith, device, recordingObserver, testHandlers } from './test-handlers.ts';

const patience = { timeout: 5000 };

async function serve() {
  const socket = join(await shortFolder(), 'plugin.sock');
  const handlers = testHandlers();
  const observer = recordingObserver();
  const { log, lines } = recordingLog();
  const server = await servePlugin(handlers, socket, { log, observer });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { socket, handlers, observer, lines, server };
}

/** A kubelet's list stream. */
function listen(socket: string): {
  readonly lists: (readonly ListedDevice[])[];
  readonly ended: Promise<void>;
  readonly stream: ClientReadableStream<readonly ListedDevice[]>;
  readonly hangUp: () => void;
  readonly call: (ids: readonly (readonly string[])[]) => Promise<unknown>;
} {
  const client = new Client(`unix://${socket}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
  });
  const { path, requestSerialize, responseDeserialize } = devicePluginService.ListAndWatch;
  const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, undefined);
  const lists: (readonly ListedDevice[])[] = [];
  const ended = Promise.withResolvers<void>();
  stream.on('data', (list: readonly ListedDevice[]) => lists.push(list));
  stream.on('error', () => ended.resolve());
  stream.on('end', () => ended.resolve());
  onTestFinished(() => client.close());
  const call = (ids: readonly (readonly string[])[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const {
        path: allocate,
        requestSerialize: write,
        responseDeserialize: read,
      } = devicePluginService.Allocate;
      client.makeUnaryRequest(allocate, write, read, ids, (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
  return { lists, ended: ended.promise, stream, hangUp: () => client.close(), call };
}

/** True when the promise is settled now, or very soon. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), delay(100).then(() => false)]);
}

describe('the device list', () => {
  it('is sent at once and again at each change, and the server tells that it is listened to', async () => {
    const { socket, handlers, server } = await serve();
    expect(await isSettled(server.listening)).toBe(false);
    const kubelet = listen(socket);
    await server.listening;
    await expect.poll(() => kubelet.lists.length, patience).toBe(1);
    handlers.list.set([device('a')]);
    await expect.poll(() => kubelet.lists.length, patience).toBe(2);
    expect(kubelet.lists).toEqual([[device('a'), device('b')], [device('a')]]);
  });

  it('may be an empty one, and is sent again when it is set again unchanged', async () => {
    const { socket, handlers } = await serve();
    handlers.list.set([]);
    const kubelet = listen(socket);
    await expect.poll(() => kubelet.lists.length, patience).toBe(1);
    handlers.list.set(handlers.list.value);
    await expect.poll(() => kubelet.lists.length, patience).toBe(2);
    expect(kubelet.lists).toEqual([[], []]);
  });

  it('reaches a slow reader as the newest only', async () => {
    const { socket, handlers } = await serve();
    const kubelet = listen(socket);
    await expect.poll(() => kubelet.lists.length, patience).toBe(1);
    kubelet.stream.pause();
    for (let version = 1; version <= 40; version += 1) {
      handlers.list.set(Array.from({ length: 5000 }, (_, index) => device(`v${version}-${index}`)));
      await delay(2);
    }
    kubelet.stream.resume();
    await expect.poll(() => kubelet.lists.at(-1)?.[0]?.id, patience).toBe('v40-0');
    // One for each version and the first would be 41: how many are passed over is the machine's affair.
    expect(kubelet.lists.length).toBeLessThan(41);
  });
});

describe('calls', () => {
  it('are answered by the handlers, one list for each container', async () => {
    const { socket, observer } = await serve();
    expect(await callOnce(socket, devicePluginService.Allocate, [['a'], ['b']])).toEqual([
      answerWith(['a']),
      answerWith(['b']),
    ]);
    const request = { availableIds: ['b', 'a'], requiredIds: [], size: 1 };
    expect(await callOnce(socket, devicePluginService.GetPreferredAllocation, [request, request])).toEqual([
      ['b'],
      ['b'],
    ]);
    expect(await callOnce(socket, devicePluginService.GetDevicePluginOptions, undefined)).toEqual({
      preStartRequired: false,
      preferredAllocationAvailable: true,
    });
    await callOnce(socket, devicePluginService.PreStartContainer, ['a']);
    expect(observer.heard).toEqual([
      'Allocate OK',
      'GetPreferredAllocation OK',
      'GetDevicePluginOptions OK',
      'PreStartContainer OK',
    ]);
  });

  it.for<[string, readonly (readonly string[])[], keyof typeof status, string]>([
    ['a wrong request', [['unknown']], 'INVALID_ARGUMENT', 'unknown is not known'],
    ['a device that cannot be had', [['unhealthy']], 'FAILED_PRECONDITION', 'unhealthy is not healthy'],
    ['no container', [], 'INVALID_ARGUMENT', 'names no container'],
    ['containers that share', [['a'], ['a']], 'INVALID_ARGUMENT', 'two containers at once'],
    ['a fault of ours', [['broken']], 'INTERNAL', 'its log on the node says why'],
  ])('%s gets its status and text', async ([, containers, code, text]) => {
    const { socket, observer, lines } = await serve();
    await expect(callOnce(socket, devicePluginService.Allocate, containers)).rejects.toMatchObject({
      code: status[code],
      details: expect.stringContaining(text) as string,
    });
    const malformed = observer.heard.filter((line) => line.includes('malformed'));
    expect(malformed).toHaveLength(containers.length === 1 ? 0 : 1);
    expect(observer.heard.at(-1)).toBe(`Allocate ${code}`);
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(code === 'INTERNAL' ? 1 : 0);
  });
});

describe('the loss of the kubelet', () => {
  it.for<[string, (kubelet: ReturnType<typeof listen>) => void]>([
    ['cancels the stream', ({ stream }) => stream.cancel()],
    [
      'hangs up',
      ({ stream, hangUp }) => {
        stream.cancel();
        hangUp();
      },
    ],
  ])('is told when it %s', async ([, lose]) => {
    const { socket, server } = await serve();
    const kubelet = listen(socket);
    await expect.poll(() => kubelet.lists.length, patience).toBe(1);
    lose(kubelet);
    expect(await server.lost).toBe('the kubelet has closed the device list');
  });

  it('is not told for calls that end, nor for our own end', async () => {
    const { socket, server } = await serve();
    const kubelet = listen(socket);
    await callOnce(socket, devicePluginService.Allocate, [['a']]);
    expect(await isSettled(server.lost)).toBe(false);
    await server[Symbol.asyncDispose]();
    await kubelet.ended;
    expect(await isSettled(server.lost)).toBe(false);
  });
});

describe('the end of the server', () => {
  it('ends the list first, and waits for the kubelet to hang up', async () => {
    const { socket, server } = await serve();
    const kubelet = listen(socket);
    await expect.poll(() => kubelet.lists.length, patience).toBe(1);
    const order: string[] = [];
    const closed = server[Symbol.asyncDispose]().then(() => order.push('server closed'));
    await kubelet.ended;
    order.push('stream ended');
    await delay(100);
    order.push('kubelet hangs up');
    kubelet.hangUp();
    await closed;
    expect(order).toEqual(['stream ended', 'kubelet hangs up', 'server closed']);
    expect(existsSync(socket)).toBe(false);
  });

  it.for<[string, (socket: string) => unknown]>([
    ['a kubelet that never hangs up', (socket) => listen(socket)],
    ['a connection that never says anything', (socket) => createConnection(socket)],
  ])('is not held up for ever by %s', async ([, connect]) => {
    const { socket, server } = await serve();
    connect(socket);
    await callOnce(socket, devicePluginService.Allocate, [['a']]);
    await closes(server);
  });

  it('is seen to be hung up on by a kubelet whose connection breaks', async () => {
    const { socket, server } = await serve();
    const connection = createConnection(socket);
    const kubelet = connect('http://localhost', { createConnection: () => connection });
    kubelet.on('error', () => undefined);
    const list = kubelet.request({
      ':method': 'POST',
      ':path': devicePluginService.ListAndWatch.path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    list.on('error', () => undefined);
    list.end(Buffer.alloc(5));
    await once(list, 'response');
    const hungUp = server.hungUp(5000);
    // What has arrived and is not read when the socket is closed makes the kernel reset the connection.
    server.endLists();
    setImmediate(() => kubelet.destroy());
    expect(await hungUp).toBe(true);
    await closes(server);
  });

  it('does not end calls with the lists, and takes no new connection then', async () => {
    const { socket, handlers, server } = await serve();
    const kubelet = listen(socket);
    await expect.poll(() => kubelet.lists.length, patience).toBe(1);
    server.endLists();
    await kubelet.ended;
    expect(await kubelet.call([['a']])).toEqual([handlers.allocate(['a'])]);
    expect(await server.hungUp(50)).toBe(false);
    await expect(callOnce(socket, devicePluginService.Allocate, [['a']])).rejects.toThrow('UNAVAILABLE');
    expect(await isSettled(server.lost)).toBe(false);
    await closes(server);
  });

  it('is at once when nobody is connected', async () => {
    const { server } = await serve();
    await closes(server);
  });
});

describe('connections', () => {
  it('beyond a few are turned away, and the kubelet is served on', async () => {
    const { socket } = await serve();
    const kubelet = listen(socket);
    await expect.poll(() => kubelet.lists.length, patience).toBe(1);
    const strangers = Array.from({ length: 30 }, () => createConnection(socket));
    let turnedAway = 0;
    for (const stranger of strangers) {
      stranger.on('error', () => undefined);
      stranger.on('close', () => void (turnedAway += 1));
    }
    await expect.poll(() => turnedAway, patience).toBeGreaterThanOrEqual(15);
    for (const stranger of strangers) stranger.destroy();
    await expect.poll(() => turnedAway, patience).toBe(30);
    expect(await callOnce(socket, devicePluginService.Allocate, [['a']])).toHaveLength(1);
  });

  it('that send nonsense are dropped, and the kubelet is served on', async () => {
    const { socket, server } = await serve();
    const stranger = createConnection(socket);
    stranger.on('error', () => undefined);
    stranger.resume();
    stranger.write('GET / HTTP/1.1\r\n\r\n'.repeat(1000));
    await new Promise((closed) => {
      stranger.once('close', closed);
    });
    expect(await callOnce(socket, devicePluginService.Allocate, [['a']])).toHaveLength(1);
    expect(await isSettled(server.lost)).toBe(false);
  });
});

/** Far longer than the half second that a stopping server waits. */
async function closes(server: PluginServer): Promise<void> {
  const closed = server[Symbol.asyncDispose]().then(() => true);
  expect(await Promise.race([closed, delay(5000).then(() => false)])).toBe(true);
}
