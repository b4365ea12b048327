import { Client, credentials, type MethodDefinition } from '@grpc/grpc-js';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Refusal } from '../../src/kubelet/handlers.ts';
import { passCalls } from '../../src/kubelet/pass-calls.ts';
import { servePlugin, type PluginServer } from '../../src/kubelet/plugin-server.ts';
import { devicePluginService } from '../../src/kubelet/wire.ts';
import { recordingLog } from '../support/recording-log.ts';
import { shortFolder } from '../support/short-folder.ts';
import { answerWith, recordingObserver, testHandlers } from './test-handlers.ts';

/** Two servers of a resource, the first of which passes its calls to the second once that serves, and a kubelet that calls the first. */
async function twoServers() {
  const folder = await shortFolder();
  const { log, lines } = recordingLog();
  const serve = async (name: string) => {
    const handlers = testHandlers();
    const server = await servePlugin(handlers, join(folder, name), { log, observer: recordingObserver() });
    onTestFinished(() => server[Symbol.asyncDispose]());
    return { handlers, server };
  };
  const [first, second] = await Promise.all([serve('first.sock'), serve('second.sock')]);
  let path: string | null = join(folder, 'second.sock');
  const passed = passCalls(first.handlers, () => path);
  onTestFinished(() => passed[Symbol.dispose]());
  first.server.answerWith(passed);
  const ask = kubeletOf(join(folder, 'first.sock'));
  return { first, second, passed, lines, ...ask, serves: (is: boolean) => (path = is ? path : null) };
}

function kubeletOf(socket: string) {
  const client = new Client(`unix://${socket}`, credentials.createInsecure());
  onTestFinished(() => client.close());
  const call = <Request, Response>(method: MethodDefinition<Request, Response>, request: Request) =>
    new Promise<unknown>((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = method;
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
  return {
    ask: (ids: readonly string[]) => call(devicePluginService.Allocate, [ids]),
    prefer: (availableIds: readonly string[]) =>
      call(devicePluginService.GetPreferredAllocation, [{ availableIds, requiredIds: [], size: 1 }]),
  };
}

function dispose(server: PluginServer): PromiseLike<void> {
  return server[Symbol.asyncDispose]();
}

describe('an Allocate that is passed on', () => {
  it('has the answer of the other agent, and is asked of it alone', async () => {
    const { first, second, ask } = await twoServers();
    first.handlers.allocate = () => {
      throw new Error('asked the one that leaves');
    };
    second.handlers.allocate = (ids) => answerWith([...ids, 'second']);
    expect(await ask(['a'])).toEqual([answerWith(['a', 'second'])]);
  });

  it('is refused in its words', async () => {
    const { second, ask } = await twoServers();
    second.handlers.allocate = () => {
      throw new Refusal('not-available', 'example.com/gpu: a cannot be used');
    };
    await expect(ask(['a'])).rejects.toMatchObject({ details: 'example.com/gpu: a cannot be used' });
  });

  it('is refused with what to do when the other one has ended', async () => {
    const { second, ask, lines } = await twoServers();
    await dispose(second.server);
    await expect(ask(['a'])).rejects.toMatchObject({
      details: expect.stringMatching(
        /is being replaced, and the next one did not answer .*; make the pod again/,
      ),
    });
    expect(lines).toEqual([]);
  });

  it('is waited for, and broken off when that takes too long', async () => {
    const { second, passed, ask } = await twoServers();
    const answer = Promise.withResolvers<ReturnType<typeof answerWith>>();
    const asked = Promise.withResolvers<void>();
    second.handlers.allocate = () => {
      asked.resolve();
      return answer.promise;
    };
    const [slow, stuck] = [ask(['a']), asked.promise.then(() => passed.settled())];
    let settled = false;
    void stuck.then(() => (settled = true));
    await asked.promise;
    await delay(50);
    expect(settled).toBe(false);
    answer.resolve(answerWith(['late']));
    expect(await slow).toEqual([answerWith(['late'])]);
    await stuck;
    second.handlers.allocate = () => new Promise(() => undefined);
    const never = ask(['b']);
    never.catch(() => undefined);
    await delay(50);
    passed[Symbol.dispose]();
    await expect(never).rejects.toMatchObject({ details: expect.stringContaining('did not answer') });
  });

  it('is decided here as long as the other agent does not serve', async () => {
    const { first, serves, ask, prefer } = await twoServers();
    serves(false);
    first.handlers.allocate = () => answerWith(['first']);
    expect(await ask(['a'])).toEqual([answerWith(['first'])]);
    expect(await prefer(['a', 'b'])).toEqual([['a']]);
  });
});

describe('a preference that is passed on', () => {
  it("is the other agent's, and ours when that does not answer", async () => {
    const { second, prefer, lines } = await twoServers();
    second.handlers.prefer = () => ['b'];
    expect(await prefer(['a', 'b'])).toEqual([['b']]);
    await dispose(second.server);
    expect(await prefer(['a', 'b'])).toEqual([['a']]);
    expect(lines).toEqual([]);
  });
});
