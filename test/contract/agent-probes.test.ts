import { describe, expect, test } from 'vitest';
import { gpuResource, type RunningAgent, startRunningAgent } from './support/running-agent.ts';
import { args, files, good } from './support/v100-node.ts';

/** The whole answer of /readyz once it is this one; /livez is good all the while. */
async function expectReadyz(
  node: RunningAgent,
  status: 200 | 503,
  body: string,
  agent = node.agent,
): Promise<void> {
  await node.poll(
    () => node.get('/readyz', agent),
    (answer) => answer.status === status && answer.body === body,
    `${status} ${body}`,
  );
  expect(await node.get('/livez', agent)).toEqual({ status: 200, body: 'ok\n' });
}

describe('/readyz says how it stands, and why', () => {
  test('starting: the GPUs are being read', async () => {
    await using node = await startRunningAgent({
      args,
      files: { 'node.yaml': { ...good, timeline: [{ at: '0s', do: 'hang-driver' }] } },
    });
    await expectReadyz(node, 503, 'inventory: the GPUs are being read for the first time\n');
    await node.write('node.yaml', good);
    await expectReadyz(node, 200, 'ok\n');
  });

  test('several reasons at once, one a line', async () => {
    await using node = await startRunningAgent({
      args,
      files: { 'node.yaml': { ...good, timeline: [{ at: '0s', do: 'fail-driver', reason: 'Broken' }] } },
      kubelet: 'later',
    });
    const folder = node.path('device-plugins');
    await expectReadyz(
      node,
      503,
      'inventory: The simulated driver of node fails: Broken\n' +
        `waiting for the kubelet's folder: ${folder}/slicewise.lock cannot be made, because its folder does not exist\n`,
    );
  });

  test('registered, then refused by a kubelet that has restarted, then registered again', async () => {
    await using node = await startRunningAgent({ args, files });
    await expectReadyz(node, 200, 'ok\n');
    await node.kubelet.stop();
    await expectReadyz(
      node,
      503,
      `kubelet: ${gpuResource} is not registered: No kubelet answers on ${node.kubelet.registrationSocket} (ECONNREFUSED)\n`,
    );
    node.kubelet.faults.refuseRegistrations(1000, 'no more room');
    await node.kubelet.restart();
    await node.waitForReadyz(503, [`kubelet: ${gpuResource} is not registered: `, 'no more room']);
    node.kubelet.faults.refuseRegistrations(0, '');
    await expectReadyz(node, 200, 'ok\n');
  });

  test('standing by, and serving when the other agent has gone', async () => {
    await using node = await startRunningAgent({ args, files });
    const first = node.agent;
    await expectReadyz(node, 200, 'ok\n', first);
    const second = node.startAgent();
    await expectReadyz(node, 200, 'ok\nstanding by: another agent serves this node\n', second);
    await expectReadyz(node, 200, 'ok\n', first);
    expect(await node.stop(first)).toBe(0);
    await expectReadyz(node, 200, 'ok\n', second);
    await node.waitForGpus(4);
  });

  test('no driver, and a driver without GPUs: ready with 0 devices', async () => {
    const missing = { ...good, timeline: [{ at: '0s', do: 'remove-driver', reason: 'not installed' }] };
    await using node = await startRunningAgent({ args, files: { 'node.yaml': missing } });
    await expectReadyz(node, 200, 'ok\n0 devices: The scenario node has no driver now: not installed\n');
    await node.write('node.yaml', { name: 'node', preset: 'none' });
    await expectReadyz(node, 200, 'ok\n0 devices: the driver shows no GPU\n');
    expect(node.kubelet.events.map(({ kind }) => kind)).toEqual(['started']);
  });

  test('a reading that failed, while the one before is in force', async () => {
    await using node = await startRunningAgent({ args, files });
    await expectReadyz(node, 200, 'ok\n');
    await node.write('node.yaml', { ...good, timeline: [{ at: '0s', do: 'fail-driver', reason: 'Broken' }] });
    // A moment later it is told as well that nobody would hear of faults.
    await node.waitForReadyz(200, [
      'ok\nthe newest reading failed: The simulated driver of node fails: Broken\n',
    ]);
    await node.waitForGpus(4);
    await node.write('node.yaml', good);
    await expectReadyz(node, 200, 'ok\n');
  });

  test('other paths and methods are refused, and / lists what there is', async () => {
    await using node = await startRunningAgent({ args, files });
    await expectReadyz(node, 200, 'ok\n');
    expect(await node.get('/')).toEqual({ status: 200, body: '/livez\n/readyz\n/metrics\n' });
    expect((await node.get('/debug/pprof')).status).toBe(404);
    expect(await node.get('/readyz?verbose')).toEqual({ status: 200, body: 'ok\n' });
  });
});
