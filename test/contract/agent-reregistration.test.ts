import { rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { StandInKubelet } from '../../src/simulator/kubelet/kubelet.ts';
import { gpuResource, openKubeletNode, patienceMs, type KubeletNode } from './support/kubelet-node.ts';
import { listenAsKubelet } from './support/registrar.ts';

/** Every way to lose a registration, each of which has to end in a new one. */
const losses: readonly [name: string, lose: (kubelet: StandInKubelet) => Promise<void> | void][] = [
  ['the kubelet restarts', (kubelet) => kubelet.restart()],
  ['the kubelet restarts and is away for a while', (kubelet) => kubelet.restart({ downMs: 700 })],
  [
    'the kubelet restarts twice in a row',
    async (kubelet) => {
      await kubelet.restart();
      await kubelet.restart();
    },
  ],
  [
    'the kubelet restarts and is slow to dial back',
    async (kubelet) => {
      kubelet.faults.dialBackDelayMs = 800;
      await kubelet.restart();
    },
  ],
  [
    'the kubelet restarts and refuses at first',
    async (kubelet) => {
      kubelet.faults.refuseRegistrations(3, 'not yet');
      await kubelet.restart();
    },
  ],
  ['the list stream is dropped', (kubelet) => kubelet.dropStream(gpuResource)],
  ["the plugin's own socket is removed", (kubelet) => kubelet.removePluginSocket(gpuResource)],
  [
    'the folder is removed and made anew, and the kubelet restarts',
    async (kubelet) => {
      await kubelet.recreateFolder();
      await kubelet.restart({ downMs: 300 });
    },
  ],
];

describe.concurrent.for([true, false])('with a kubelet that disconnects by name: %s', (disconnectByName) => {
  it.for(losses)('%s: registered again and not cut off', async ([, lose]) => {
    await using node = await openKubeletNode({ habits: { disconnectByName } });
    await node.startServingAgent();
    const from = node.kubelet.events.length;
    await lose(node.kubelet);
    await node.kubelet.waitForEvent('list', { from, deadlineMs: patienceMs });
    await node.kubelet.waitForAllocatable(gpuResource, node.gpuIds.length, patienceMs);
    expect((await node.admit('after', 2)).phase).toBe('Running');
    expectNeverCut(node);
    expect(await node.agentSockets()).toEqual([node.happened('registered').at(-1)?.endpoint]);
  });
});

describe('kubelet.sock replaced by another socket', () => {
  it('is registered with each time, also where the file system gives the same inode again', async () => {
    await using node = await openKubeletNode({ kubeletDown: true });
    const { registrationSocket } = node.kubelet;
    node.startAgent();
    for (let round = 0; round < 4; round += 1) {
      using kubelet = await listenAsKubelet(registrationSocket);
      await expect.poll(() => kubelet.lists.length, { timeout: patienceMs }).toBeGreaterThan(0);
      expect(kubelet.requests).toHaveLength(1);
      // A name that is free again often gets the freed inode (ext4); one that is replaced gets another.
      if (round % 2 === 1) await rm(registrationSocket);
    }
  });

  it('is noticed by an agent that could not look meanwhile', async () => {
    await using node = await openKubeletNode({ kubeletDown: true });
    const { registrationSocket } = node.kubelet;
    using first = await listenAsKubelet(registrationSocket);
    const agent = node.startAgent();
    await expect.poll(() => first.lists.length, { timeout: patienceMs }).toBe(1);
    agent.signal('SIGSTOP');
    await rm(registrationSocket);
    using second = await listenAsKubelet(registrationSocket);
    agent.signal('SIGCONT');
    await expect.poll(() => second.lists.length, { timeout: patienceMs }).toBe(1);
    expect(first.requests).toHaveLength(1);
  });

  it('is answered though the own socket and the old connection live on', async () => {
    await using node = await openKubeletNode({ kubeletDown: true });
    const { registrationSocket } = node.kubelet;
    using first = await listenAsKubelet(registrationSocket);
    node.startAgent();
    await expect.poll(() => first.lists.length, { timeout: patienceMs }).toBe(1);
    using second = await listenAsKubelet(registrationSocket);
    await expect.poll(() => second.lists.length, { timeout: patienceMs }).toBe(1);
    expect(first.requests).toHaveLength(1);
    expect(second.requests).toHaveLength(1);
    expect(second.requests[0]?.endpoint).not.toBe(first.requests[0]?.endpoint);
    expect(await node.agentSockets()).toEqual([second.requests[0]?.endpoint]);
  });
});

/** No registration met a live one, and the newest is still connected. */
function expectNeverCut(node: KubeletNode): void {
  const registered = node.happened('registered');
  expect(registered.map(({ replacesLive }) => replacesLive)).toEqual(registered.map(() => false));
  const newest = registered.at(-1)?.endpoint;
  expect(node.happened('disconnected').map(({ endpoint }) => endpoint)).not.toContain(newest);
  expect(node.kubelet.violations).toEqual([]);
}
