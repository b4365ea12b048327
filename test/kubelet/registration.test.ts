import { status, type sendUnaryData } from '@grpc/grpc-js';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RegisterRequest } from '../../src/kubelet/contract.ts';
import { register } from '../../src/kubelet/registration.ts';
import { registrationService } from '../../src/kubelet/wire.ts';
import { shortFolder } from '../support/short-folder.ts';
import { serveAt } from './serve-at.ts';
import { testHandlers } from './test-handlers.ts';

type Respond = sendUnaryData<void>;

/** A kubelet.sock that treats Register as told. */
async function kubelet(answer: (respond: Respond) => void): Promise<{
  readonly socket: string;
  readonly requests: readonly RegisterRequest[];
}> {
  const socket = join(await shortFolder(), 'kubelet.sock');
  const requests: RegisterRequest[] = [];
  await serveAt(socket, registrationService, {
    Register: (call: { readonly request: RegisterRequest }, respond: Respond) => {
      requests.push(call.request);
      answer(respond);
    },
  });
  return { socket, requests };
}

const forEver = new AbortController().signal;

describe('Register', () => {
  it('says version, endpoint, resource and options', async () => {
    const { socket, requests } = await kubelet((respond) => respond(null, undefined));
    await register(socket, testHandlers(), 'plugin.sock', forEver);
    expect(requests).toEqual([
      {
        version: 'v1beta1',
        endpoint: 'plugin.sock',
        resourceName: 'example.com/gpu',
        options: { preStartRequired: false, preferredAllocationAvailable: true },
      },
    ]);
  });

  it("that is refused fails with the kubelet's own words", async () => {
    const { socket } = await kubelet((respond) =>
      respond({ code: status.UNKNOWN, details: 'failed to dial device plugin' }),
    );
    await expect(register(socket, testHandlers(), 'plugin.sock', forEver)).rejects.toMatchObject({
      code: 'kubelet-refused',
      message: 'The kubelet refused to register example.com/gpu: failed to dial device plugin',
    });
  });

  it('that nobody hears fails with the path', async () => {
    const socket = join(await shortFolder(), 'kubelet.sock');
    await expect(register(socket, testHandlers(), 'plugin.sock', forEver)).rejects.toMatchObject({
      code: 'kubelet-unreachable',
      message: expect.stringContaining(`No kubelet answers on ${socket}`) as string,
    });
  });

  it('can be tried again at once on a socket that was dead before', async () => {
    const socket = join(await shortFolder(), 'kubelet.sock');
    await expect(register(socket, testHandlers(), 'plugin.sock', forEver)).rejects.toMatchObject({
      code: 'kubelet-unreachable',
    });
    let calls = 0;
    await serveAt(socket, registrationService, {
      Register: (_call: unknown, respond: Respond) => {
        calls += 1;
        respond(null, undefined);
      },
    });
    await register(socket, testHandlers(), 'plugin.sock', forEver);
    expect(calls).toBe(1);
  });

  it('that is never answered ends with the signal', async () => {
    const { socket, requests } = await kubelet(() => undefined);
    const stop = new AbortController();
    const registering = register(socket, testHandlers(), 'plugin.sock', stop.signal);
    registering.catch(() => undefined);
    await expect.poll(() => requests.length, { timeout: 5000 }).toBe(1);
    stop.abort('SIGTERM');
    await expect(registering).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('is not waited for when the signal has aborted before', async () => {
    const { socket } = await kubelet(() => undefined);
    await expect(
      register(socket, testHandlers(), 'plugin.sock', AbortSignal.abort('SIGTERM')),
    ).rejects.toMatchObject({ name: 'AbortError' });
  });
});
