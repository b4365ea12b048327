import { describe, expect, test } from 'vitest';
import {
  driverRestarts,
  helperOf,
  listsSent,
  setScenario,
  skipNvml,
  snapshotAge,
  startOnEightGpus,
  waitForUnhealthy,
} from './support/nvml-agent.ts';
import { waitForEnd } from './support/processes.ts';
import type { RunningAgent } from './support/running-agent.ts';

/** What takes down the process that holds the library costs nobody a GPU. */
describe.skipIf(skipNvml)('the helper process', () => {
  test('is killed: the agent serves on with the same list, and another one is started', async () => {
    await using node = await startOnEightGpus();
    const before = listsSent(node);
    expect(await driverRestarts(node)).toBe(0);
    const helper = helperOf(node);
    process.kill(helper, 'SIGKILL');
    await waitForEnd(helper);
    expect((await node.admit('pod', 4)).phase).toBe('Running');
    await node.poll(
      () => driverRestarts(node),
      (count) => count === 1,
      'one restart is counted',
    );
    await node.waitForLog('driver-restarted');
    await node.poll(
      () => helperOrNull(node),
      (pid) => pid !== null && pid !== helper,
      'another helper',
    );
    await node.waitForReadyz(200);
    expect((await node.admit('more', 4)).phase).toBe('Running');
    expect(listsSent(node)).toBe(before);
    expect(node.logged('slicewise agent starts')).toHaveLength(1);
  });

  test('crashes at each reading: the last list stays in force until it works again', async () => {
    await using node = await startOnEightGpus();
    const before = listsSent(node);
    await setScenario(node, 'fault nvmlDeviceGetCount_v2 * crash');
    await node.poll(
      () => driverRestarts(node),
      (count) => count >= 2,
      'two restarts are counted',
    );
    await node.waitForReadyz(200, [
      'the newest reading failed: ',
      'SIGSEGV while counting the GPUs',
      'dmesg',
    ]);
    expect((await node.admit('pod', 8)).phase).toBe('Running');
    await setScenario(node, '');
    await node.waitForLog('the driver answers again');
    expect(listsSent(node)).toBe(before);
  });

  test('crashes in one GPU: that GPU is given up, the others are served', async () => {
    await using node = await startOnEightGpus();
    await setScenario(node, 'fault nvmlDeviceGetUUID 4 crash');
    await waitForUnhealthy(node, [4]);
    expect((await node.admit('pod', 7)).phase).toBe('Running');
    expect(await node.stop()).toBe(0);
  });

  // A call has 10 s: the test waits so long for real.
  test('hangs in one GPU: it serves meanwhile, then that GPU is given up and the others are served', async () => {
    await using node = await startOnEightGpus();
    await setScenario(node, 'fault nvmlDeviceGetName 6 hang');
    const hung = helperOf(node);
    expect((await node.admit('early', 2)).phase).toBe('Running');
    await waitForUnhealthy(node, [6]);
    await waitForEnd(hung);
    expect(node.logged('GPU is unhealthy')).toMatchObject([
      { index: 6, reason: expect.stringContaining('did not answer within 10 s when this GPU was read') },
    ]);
    expect(await driverRestarts(node)).toBe(1);
    await node.waitForReadyz(200);
    expect((await node.admit('late', 5)).phase).toBe('Running');
  });

  test('hangs while running: the agent stops all the same', async () => {
    await using node = await startOnEightGpus();
    await setScenario(node, 'fault nvmlDeviceGetCount_v2 * hang');
    const hung = helperOf(node);
    await node.poll(
      () => snapshotAge(node),
      (seconds) => seconds > 2,
      'a reading is overdue, so that one is under way',
    );
    const stopped = performance.now();
    expect(await node.stop()).toBe(0);
    // The driver would have had 10 s.
    expect(performance.now() - stopped).toBeLessThan(8000);
    await waitForEnd(hung);
  });
});

function helperOrNull(node: RunningAgent): number | null {
  try {
    return helperOf(node);
  } catch {
    return null;
  }
}
