import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { keepRegistered } from '../../src/kubelet/keep-registered.ts';
import { Latest } from '../../src/lib/latest.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { listenAsKubelet, type Registrar } from '../contract/support/registrar.ts';
import { recordingLog } from '../support/recording-log.ts';
import { shortFolder } from '../support/short-folder.ts';
import { recordingObserver, testHandlers } from './test-handlers.ts';

const patience = { timeout: 10_000 };

/** A resource that is kept registered; which kubelet there is, is said by hand. */
async function keep() {
  const folder = join(await shortFolder(), 'device-plugins');
  const socket = join(folder, 'kubelet.sock');
  const kubelet = new Latest<string | null>(null);
  const observer = recordingObserver();
  const { log, lines } = recordingLog();
  const stop = new AbortController();
  const deps = { log, clock: systemClock, observer, passOn: () => Promise.resolve(false) };
  const running = keepRegistered(testHandlers(), socket, kubelet, deps, stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await running;
  });
  const startKubelet = async (refuse?: string): Promise<Registrar> => {
    const registrar = await listenAsKubelet(socket, async () => {
      if (refuse !== undefined) throw new Error(refuse);
    });
    onTestFinished(() => registrar[Symbol.dispose]());
    kubelet.set(`kubelet ${Math.random()}`);
    return registrar;
  };
  return { folder, socket, kubelet, observer, lines, stop, running, startKubelet };
}

async function listed(registrar: Registrar, lists: number = 1): Promise<void> {
  await expect.poll(() => registrar.lists.length, patience).toBe(lists);
}

describe('a resource that is kept registered', () => {
  it('waits for a kubelet, says so once, and registers when there is one', async () => {
    const { lines, kubelet, observer, socket, startKubelet } = await keep();
    kubelet.set(null);
    kubelet.set(null);
    const registrar = await startKubelet();
    await listed(registrar);
    expect(registrar.requests).toHaveLength(1);
    expect(lines.filter(({ msg }) => msg.startsWith('waiting for a kubelet'))).toHaveLength(1);
    expect(observer.heard).toEqual([
      `example.com/gpu unregistered: there is no socket at ${socket}`,
      'example.com/gpu accepted',
      'example.com/gpu connected true',
    ]);
  });

  it('leaves the kubelet that was, and registers with the one that is', async () => {
    const { startKubelet, folder } = await keep();
    const first = await startKubelet();
    await listed(first);
    const second = await startKubelet();
    await listed(second);
    expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
    const sockets = (await readdir(folder)).filter((name) => name.startsWith('slicewise-'));
    expect(sockets).toEqual([second.requests[0]?.endpoint]);
  });

  it('lets go when the kubelet has gone, and waits', async () => {
    const { startKubelet, kubelet, lines, folder } = await keep();
    await listed(await startKubelet());
    kubelet.set(null);
    await expect.poll(() => lines.at(-1)?.msg, patience).toContain('waiting for a kubelet');
    expect((await readdir(folder)).filter((name) => name.startsWith('slicewise-'))).toEqual([]);
  });

  it('that is refused is tried on, counted each time and said once', async () => {
    const { startKubelet, observer, lines } = await keep();
    const first = await startKubelet('the registry is full');
    await expect.poll(() => first.requests.length, patience).toBeGreaterThanOrEqual(3);
    const refused = observer.heard.filter((line) => line === 'example.com/gpu refused').length;
    expect(refused).toBeGreaterThanOrEqual(2);
    expect(lines.filter(({ msg }) => msg.includes('the registry is full'))).toHaveLength(1);
    const second = await startKubelet();
    await listed(second);
  });

  it('ends quietly with the signal, and leaves no socket', async () => {
    const { startKubelet, stop, running, folder, lines } = await keep();
    await listed(await startKubelet());
    stop.abort('SIGTERM');
    await running;
    expect((await readdir(folder)).filter((name) => name.startsWith('slicewise-'))).toEqual([]);
    expect(lines.filter(({ level }) => level === 'warn').map(({ msg }) => msg)).toEqual([
      expect.stringContaining('waiting for a kubelet'),
    ]);
  });
});
