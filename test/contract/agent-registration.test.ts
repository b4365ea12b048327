import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { devicePluginService } from '../../src/kubelet/wire.ts';
import { callOnce } from '../simulator/call-once.ts';
import { gpuResource, openKubeletNode, patienceMs } from './support/kubelet-node.ts';
import { listenAsKubelet } from './support/registrar.ts';

describe.concurrent('Register', () => {
  it('sends the options that GetDevicePluginOptions answers, from a socket that is open already', async () => {
    await using node = await openKubeletNode({ kubeletDown: true });
    const folder = node.kubelet.devicePluginFolder;
    const answered = Promise.withResolvers<unknown>();
    using kubelet = await listenAsKubelet(node.kubelet.registrationSocket, async ({ endpoint }) => {
      const asked = callOnce(join(folder, endpoint), devicePluginService.GetDevicePluginOptions, undefined);
      asked.then(answered.resolve, answered.reject);
      await asked;
    });
    node.startAgent();
    const options = await answered.promise;
    const [request] = kubelet.requests;
    expect(request).toMatchObject({ version: 'v1beta1', resourceName: gpuResource, options });
    expect(options).toEqual({ preStartRequired: false, preferredAllocationAvailable: true });
  });

  it('names another socket in each session, short enough for a Go client', async () => {
    await using node = await openKubeletNode();
    await node.startServingAgent();
    for (let session = 0; session < 4; session += 1) {
      const from = node.kubelet.events.length;
      if (session % 2 === 0) node.kubelet.dropStream(gpuResource);
      else await node.kubelet.removePluginSocket(gpuResource);
      await node.kubelet.waitForEvent('list', { from, deadlineMs: patienceMs });
    }
    const endpoints = node.happened('registered').map(({ endpoint }) => endpoint);
    expect(endpoints).toHaveLength(5);
    expect(new Set(endpoints).size).toBe(5);
    for (const endpoint of endpoints) expect(endpoint.length).toBeLessThanOrEqual(75);
  });

  it('happens once with a kubelet that lives, whatever else stirs in its folder', async () => {
    await using node = await openKubeletNode();
    await node.startServingAgent();
    const folder = node.kubelet.devicePluginFolder;
    const end = performance.now() + 3500;
    for (let round = 0; performance.now() < end; round += 1) {
      const stray = join(folder, `stray-${round % 3}`);
      await writeFile(stray, String(round));
      await rename(stray, `${stray}.sock`);
      await utimes(folder, new Date(), new Date());
      await utimes(join(folder, 'DEPRECATION'), new Date(), new Date());
      await rm(`${stray}.sock`);
      await mkdir(join(folder, 'sub'), { recursive: true });
      await node.setGpu(0, round % 2 === 0 ? 'lost' : 'present');
      await delay(100);
    }
    expect(node.happened('registering')).toHaveLength(1);
    expect(node.happened('stream-ended')).toEqual([]);
    expect(node.happened('list').length).toBeGreaterThan(2);
  });
});

describe.concurrent('a kubelet that does not take the plugin', () => {
  it('is asked again after growing pauses, and complained about once', async () => {
    await using node = await openKubeletNode({ kubeletDown: true });
    await node.kubelet.start();
    node.kubelet.faults.refuseRegistrations(5, 'the registry is full');
    const agent = await node.startServingAgent();
    const [first = 0, ...later] = node.happened('registering').map(({ at }) => at);
    const pauses = later.map((at, index) => at - (later[index - 1] ?? first));
    expect(pauses).toHaveLength(5);
    // Each pause is drawn from the upper half of a ceiling that doubles: 50–100 ms, then 100–200, and so on to 800–1600.
    expect(pauses[0]).toBeLessThan(1000);
    expect(pauses[4]).toBeGreaterThan(400);
    expect(pauses[4]).toBeGreaterThan(pauses[1]!);
    expect(agent.log.filter(({ msg }) => msg.includes('the registry is full'))).toHaveLength(1);
    expect(node.happened('registration-refused')).toHaveLength(5);
  });

  it('keeps the plugin waiting for a slow dial-back, without a second Register', async () => {
    await using node = await openKubeletNode();
    node.kubelet.faults.dialBackDelayMs = 1500;
    await node.startServingAgent();
    expect(node.happened('registering')).toHaveLength(1);
    expect(node.happened('registered')).toHaveLength(1);
  });

  it('and drops every list at once is asked ever less often', async () => {
    await using node = await openKubeletNode();
    node.startAgent();
    const listed: number[] = [];
    for (let from = 0; listed.length < 6; from = node.kubelet.events.length) {
      const { at } = await node.kubelet.waitForEvent('list', { from, deadlineMs: patienceMs });
      listed.push(at);
      node.kubelet.dropStream(gpuResource);
    }
    const pauses = listed.slice(1).map((at, index) => at - listed[index]!);
    expect(pauses[0]).toBeLessThan(2000);
    expect(pauses[4]).toBeGreaterThan(700);
  });
});

describe.concurrent('a kubelet that is not there', () => {
  it('is waited for when its folder is missing, said once, and registered with when it comes', async () => {
    await using node = await openKubeletNode({ kubeletDown: true });
    const agent = node.startAgent();
    await agent.waitForLog(({ msg }) => msg.startsWith("waiting for the kubelet's folder"));
    await delay(2500);
    expect(agent.log.filter(({ msg }) => msg.startsWith('waiting for'))).toHaveLength(1);
    await node.kubelet.start();
    await node.kubelet.waitForAllocatable(gpuResource, node.gpuIds.length, patienceMs);
    expect(node.happened('registering')).toHaveLength(1);
  });

  it('is waited for when its socket is missing, said once, and registered with when it comes', async () => {
    await using node = await openKubeletNode({ kubeletDown: true });
    await mkdir(node.kubelet.devicePluginFolder, { recursive: true });
    const agent = node.startAgent();
    await agent.waitForLog(({ msg }) => msg.startsWith('waiting for a kubelet'));
    await delay(2500);
    expect(agent.log.filter(({ msg }) => msg.startsWith('waiting for'))).toHaveLength(1);
    expect(await node.agentSockets()).toEqual([]);
    await node.kubelet.start();
    await node.kubelet.waitForAllocatable(gpuResource, node.gpuIds.length, patienceMs);
    expect(node.happened('registering')).toHaveLength(1);
  });

  it('is waited for when a plain file is in its place', async () => {
    await using node = await openKubeletNode({ kubeletDown: true });
    await mkdir(node.kubelet.devicePluginFolder, { recursive: true });
    await writeFile(node.kubelet.registrationSocket, '');
    const agent = node.startAgent();
    await agent.waitForLog(({ msg }) => msg.startsWith('waiting for a kubelet'));
    await rm(node.kubelet.registrationSocket);
    await node.kubelet.start();
    await node.kubelet.waitForAllocatable(gpuResource, node.gpuIds.length, patienceMs);
  });

  it('is waited for when its socket is dead, as after it was killed', async () => {
    await using node = await openKubeletNode();
    await node.kubelet.stop();
    expect((await stat(node.kubelet.registrationSocket)).isSocket()).toBe(true);
    const agent = node.startAgent();
    await agent.waitForLog(({ msg }) => msg.includes('No kubelet answers'));
    await delay(1500);
    expect(agent.log.filter(({ msg }) => msg.includes('No kubelet answers'))).toHaveLength(1);
    expect((await readdir(node.kubelet.devicePluginFolder)).includes('kubelet.sock')).toBe(true);
    await node.kubelet.restart();
    await node.kubelet.waitForAllocatable(gpuResource, node.gpuIds.length, patienceMs);
    expect(node.happened('registering')).toHaveLength(1);
  });
});
