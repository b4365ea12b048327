import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { helperOf, listsSent, skipNvml, startOnEightGpus } from './support/nvml-agent.ts';
import { childrenOf } from './support/processes.ts';
import { runToEnd } from './support/program.ts';
import type { RunningAgent } from './support/running-agent.ts';

function driver(node: RunningAgent, ...args: readonly string[]) {
  return runToEnd(['driver', ...args, '--state-dir', join(node.folder, 'state')]);
}

async function waitForHelper(node: RunningAgent): Promise<void> {
  await node.poll(
    () => childrenOf(node.agent.pid).length,
    (helpers) => helpers === 1,
    'the driver is used',
  );
}

/** A GPU can be reset only when nobody holds the driver. */
describe.skipIf(skipNvml)('slicewise driver', () => {
  test('has the driver closed for a while: nobody holds it, and the kubelet is served on', async () => {
    await using node = await startOnEightGpus();
    const before = listsSent(node);
    expect(helperOf(node)).toBeGreaterThan(0);
    const released = await driver(node, 'release', '--for', '5m');
    expect(released).toMatchObject({ code: 0, stderr: '' });
    expect(released.stdout).toMatch(/^The driver is closed until \d{4}-/);
    expect(childrenOf(node.agent.pid)).toEqual([]);
    expect((await node.admit('pod', 4)).phase).toBe('Running');
    expect(await driver(node, 'use')).toEqual({ code: 0, stdout: '', stderr: '' });
    await waitForHelper(node);
    await node.waitForReadyz(200);
    expect((await node.admit('more', 4)).phase).toBe('Running');
    expect(listsSent(node)).toBe(before);
  });

  test('is closed by the agent that stands by as well, and both take it back', async () => {
    await using node = await startOnEightGpus();
    const serving = node.agent;
    const standby = node.startAgent();
    await node.waitForLog('standing by', standby);
    const helpers = (): readonly number[] => [serving, standby].map(({ pid }) => childrenOf(pid).length);
    const bothHold = async (): Promise<void> => {
      await node.poll(helpers, (counts) => counts.join() === '1,1', 'both use the driver');
    };
    await bothHold();
    const before = listsSent(node);
    expect(await driver(node, 'release', '--for', '5m')).toMatchObject({ code: 0, stderr: '' });
    expect(helpers()).toEqual([0, 0]);
    for (const agent of [serving, standby])
      expect(node.logged('the driver is closed, as an admin wants it', agent)).toHaveLength(1);
    expect(await driver(node, 'use')).toEqual({ code: 0, stdout: '', stderr: '' });
    await bothHold();
    for (const agent of [serving, standby]) await node.waitForLog('the driver is used again', agent);
    await node.waitForReadyz(200, [], serving);
    await node.waitForReadyz(200, [], standby);
    expect(listsSent(node)).toBe(before);
    // The one that stood by serves with what it has read since.
    expect(await node.stop(serving)).toBe(0);
    await node.waitForGpus(8);
    expect((await node.admit('pod', 8)).phase).toBe('Running');
  });

  test('is used again when the time is over', async () => {
    await using node = await startOnEightGpus();
    expect((await driver(node, 'release', '--for', '3s')).code).toBe(0);
    await node.waitForLog('the driver is used again');
    await waitForHelper(node);
  });

  test.each(['2h', '0s', 'soon'])('is not closed for %s', async (duration) => {
    const refused = await runToEnd(['driver', 'release', '--for', duration, '--state-dir', '/nonexistent']);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('allowed: a duration 1s to 1h');
  });
});
