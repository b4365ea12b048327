import { once } from 'node:events';
import { mkdir, rename } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import { PluginClient } from '../../src/simulator/kubelet/plugin-client.ts';
import type { Pod } from '../../src/simulator/kubelet/pod.ts';
import {
  bookings,
  gpuResource,
  openKubeletNode,
  patienceMs,
  type KubeletNode,
} from './support/kubelet-node.ts';

const probes = ['--http-address', '127.0.0.1:0'];

describe('a second agent on the node', () => {
  it('is ready, registers nothing and has no socket', async () => {
    await using node = await openKubeletNode();
    await node.startServingAgent();
    const sockets = await node.agentSockets();
    const standby = await node.startStandby(probes);
    const ready = await poll(
      () => readyz(standby),
      ({ status }) => status === 200,
    );
    expect(ready.body).toContain('standing by: another agent serves this node');
    await delay(1500);
    expect(node.happened('registering')).toHaveLength(1);
    expect(await node.agentSockets()).toEqual(sockets);
    expect(standby.log.filter(({ msg }) => msg.startsWith('standing by'))).toHaveLength(1);
  });

  it('stays standby through a kubelet restart', async () => {
    await using node = await openKubeletNode();
    await node.startServingAgent();
    await node.startStandby();
    await node.kubelet.restart();
    await node.kubelet.waitForAllocatable(gpuResource, node.gpuIds.length, patienceMs);
    await delay(500);
    expect(node.happened('registering')).toHaveLength(2);
    expect(node.happened('disconnected')).toEqual([]);
  });

  it('lets two others wait as well, and only one of them takes over', async () => {
    await using node = await openKubeletNode();
    const first = await node.startServingAgent();
    const standbys = await Promise.all([node.startStandby(), node.startStandby()]);
    const sockets = await node.agentSockets();
    await takeOver(first, standbys, 'SIGTERM');
    await delay(500);
    const serving = standbys.filter(({ log }) => log.some(({ msg }) => msg.startsWith('registered')));
    expect(serving).toHaveLength(1);
    expect(await node.agentSockets()).not.toEqual(sockets);
    expect(await node.agentSockets()).toHaveLength(1);
  });
});

describe.for([true, false])('take-over with a kubelet that disconnects by name: %s', (disconnectByName) => {
  it.for(['SIGTERM', 'SIGKILL'] as const)(
    'after %s: not cut off, and pods keep their GPUs',
    async (signal) => {
      await using node = await openKubeletNode({ gpus: 8, habits: { disconnectByName } });
      const first = await node.startServingAgent();
      await node.admit('one', 1);
      await node.admit('three', 3);
      const before = bookings(node.kubelet);
      const second = await node.startStandby();
      await takeOver(first, [second], signal);
      expect(bookings(node.kubelet)).toEqual(before);
      expect((await node.admit('too many', 5)).phase).toBe('Failed');
      expect((await node.admit('the rest', 4)).phase).toBe('Running');
      expect(node.kubelet.duplicates()).toEqual([]);
      const { endpoint } = await second.waitForLog(({ msg }) => msg.startsWith('registered'));
      expect(await node.agentSockets()).toEqual([endpoint]);
      expect(node.happened('disconnected').map((event) => event.endpoint)).not.toContain(endpoint);
    },
  );
});

describe.for([true, false])(
  'a rolling change with a kubelet that disconnects by name: %s',
  (disconnectByName) => {
    it.for(['SIGTERM', 'SIGKILL'] as const)('by %s', async (signal, { annotate }) => {
      await using node = await openKubeletNode({ gpus: 8, habits: { disconnectByName } });
      const first = await node.startServingAgent();
      const second = await node.startStandby();
      const admissions: Promise<Pod>[] = [];
      let handedOver: Promise<void> | undefined;
      let after = 0;
      for (let count = 0; after < 15; count += 1) {
        if (count === 15) handedOver = takeOver(first, [second], signal).then(() => void (after = 1));
        if (after > 0) after += 1;
        admissions.push(admitAndRemove(node, count));
        await delay(20);
      }
      await handedOver;
      const pods = await Promise.all(admissions);
      const failed = pods.flatMap(({ phase }, at) => (phase === 'Failed' ? [at] : []));
      const text = `${signal}, disconnects by name: ${disconnectByName}: ${failed.length} of ${pods.length} admissions failed, one every 20 ms`;
      process.stdout.write(`${text}\n`);
      await annotate(text);
      expect(signal === 'SIGTERM' ? failed : []).toEqual([]);
      // With an agent that is killed there is one gap, and good admissions on both sides of it.
      expect(failed.every((at, index) => at === (failed[0] ?? 0) + index)).toBe(true);
      expect(failed.at(-1) ?? 0).toBeLessThan(pods.length - 10);
      expect(pods.every(({ phase }) => phase === 'Failed' || phase === 'Running')).toBe(true);
      expect(node.kubelet.violations).toEqual([]);
    });
  },
);

describe('an agent that has handed over', () => {
  it.for([true, false])(
    'leaves a kubelet that notices the end of the next one (disconnects by name: %s)',
    async (disconnectByName) => {
      await using node = await openKubeletNode({ habits: { disconnectByName } });
      const first = await node.startServingAgent();
      const second = await node.startStandby();
      await takeOver(first, [second], 'SIGTERM');
      expect(await first.exit).toEqual({ code: 0, signal: null });
      expect(first.log.map(({ msg }) => msg)).toContain('handed over: another agent is registered');
      expect(await node.agentSockets()).toHaveLength(1);
      await delay(300);
      expect((await node.admit('after', 4)).phase).toBe('Running');
      second.signal('SIGKILL');
      await node.kubelet.waitForAllocatable(gpuResource, 0, patienceMs);
    },
  );

  it('has the next one decide what a kubelet still asks the one that leaves', async () => {
    await using node = await openKubeletNode();
    const first = await node.startServingAgent();
    const endpoint = node.happened('registered').at(-1)?.endpoint ?? '';
    const late = new PluginClient(gpuResource, join(node.kubelet.devicePluginFolder, endpoint));
    await late.dial(patienceMs);
    const second = await node.startStandby();
    await first.waitForLog(({ msg }) => msg.startsWith('another agent stands by'), patienceMs);
    first.signal('SIGTERM');
    await first.waitForLog(({ msg }) => msg.startsWith('handed over'), patienceMs);
    const [gpu = ''] = node.gpuIds;
    const [answer] = await late.allocate([gpu]);
    late.close();
    expect(answer?.envs).toMatchObject({ NVIDIA_VISIBLE_DEVICES: gpu });
    const gave = ({ log }: AgentProcess) => log.filter(({ msg }) => msg === 'allocated');
    expect(gave(second)).toMatchObject([{ devices: [gpu] }]);
    expect(gave(first)).toEqual([]);
    expect(await first.exit).toEqual({ code: 0, signal: null });
  });

  it('tells the kubelet of its end when the next one ends before it has registered', async () => {
    await using node = await openKubeletNode();
    const first = await node.startServingAgent();
    await using heir = await standByOnly(node.kubelet.devicePluginFolder, first);
    const told = heir.told;
    first.signal('SIGTERM');
    await told;
    expect((await node.admit('meanwhile', 1)).phase).toBe('Running');
    heir.hangUp();
    expect(await first.exit).toEqual({ code: 0, signal: null });
    expect(first.log.map(({ msg }) => msg)).toContain(
      'the agent that should take over has not registered and has ended',
    );
    await node.kubelet.waitForAllocatable(gpuResource, 0, patienceMs);
    expect(node.kubelet.violations).toEqual([]);
  });

  it('leaves in the ordinary way when the next one has other resources', async () => {
    await using node = await openKubeletNode();
    const first = await node.startServingAgent();
    await using heir = await standByOnly(node.kubelet.devicePluginFolder, first, 'example.com/other');
    first.signal('SIGTERM');
    expect(await first.exit).toEqual({ code: 0, signal: null });
    await node.kubelet.waitForAllocatable(gpuResource, 0, patienceMs);
    expect(node.happened('registering')).toHaveLength(1);
    heir.hangUp();
  });
});

describe('sockets of earlier runs', () => {
  it('are left alone by a standby and removed by the one that serves', async () => {
    await using node = await openKubeletNode({ kubeletDown: true });
    const folder = node.kubelet.devicePluginFolder;
    await mkdir(folder, { recursive: true });
    await node.kubelet.start();
    const first = await node.startServingAgent();
    await leaveDeadSocket(join(folder, 'slicewise-gpu-0123abcd.sock'));
    await leaveDeadSocket(join(folder, 'other-plugin.sock'));
    const second = await node.startStandby();
    await delay(300);
    expect(await node.agentSockets()).toContain('slicewise-gpu-0123abcd.sock');
    const crashed = node.happened('registered').at(-1)?.endpoint;
    await takeOver(first, [second], 'SIGKILL');
    const left = await node.agentSockets();
    expect(left).toContain('other-plugin.sock');
    expect(left).not.toContain('slicewise-gpu-0123abcd.sock');
    expect(left).not.toContain(crashed);
    expect(left).toHaveLength(2);
  });
});

/** Ends the agent that serves; resolves when one of those that stand by is registered. */
async function takeOver(
  first: AgentProcess,
  standbys: readonly AgentProcess[],
  signal: NodeJS.Signals,
): Promise<void> {
  await first.waitForLog(({ msg }) => msg.startsWith('another agent stands by'), patienceMs);
  first.signal(signal);
  const registered = standbys.map((each) =>
    each.waitForLog(({ msg }) => msg.startsWith('registered'), patienceMs),
  );
  await Promise.race(registered);
  await first.exit;
}

async function admitAndRemove(node: KubeletNode, count: number): Promise<Pod> {
  const pod = await node.admit(`p${count}`, 1);
  node.kubelet.remove(pod);
  return pod;
}

/** Something that says it could take over, and never registers. */
async function standByOnly(
  folder: string,
  serving: AgentProcess,
  resource = gpuResource,
): Promise<AsyncDisposable & { readonly told: Promise<unknown>; readonly hangUp: () => void }> {
  const line = await connectWhenThere(join(folder, 'slicewise.next'));
  line.write(`ready ${resource}\n`);
  await serving.waitForLog(({ msg }) => msg.startsWith('another agent stands by'), patienceMs);
  const told = once(line, 'data', { signal: AbortSignal.timeout(patienceMs) }).then(([words]) =>
    expect(String(words)).toBe('take\n'),
  );
  told.catch(() => undefined);
  const hangUp = (): void => void line.destroy();
  return { told, hangUp, [Symbol.asyncDispose]: () => Promise.resolve(hangUp()) };
}

async function connectWhenThere(path: string): Promise<Socket> {
  const line = createConnection(path);
  line.on('error', () => undefined);
  await once(line, 'connect');
  return line;
}

/** A socket file that nobody listens on, as a killed process leaves it. */
async function leaveDeadSocket(path: string): Promise<void> {
  const server = createServer();
  const listening = Promise.withResolvers<void>();
  server.listen(`${path}.live`, listening.resolve);
  await listening.promise;
  await rename(`${path}.live`, path);
  await new Promise((closed) => {
    server.close(closed);
  });
}

async function readyz(agent: AgentProcess): Promise<{ status: number; body: string }> {
  const line = await agent.waitForLog(({ msg }) => msg.startsWith('serving /livez'));
  const response = await fetch(`http://127.0.0.1:${String(line['port'])}/readyz`);
  return { status: response.status, body: await response.text() };
}

async function poll<T>(ask: () => Promise<T>, accepts: (answer: T) => boolean): Promise<T> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (accepts(answer)) return answer;
    if (performance.now() > end) throw new Error(`Last answer: ${JSON.stringify(answer)}`);
    await delay(50);
  }
}
