import { describe, expect, test } from 'vitest';
import {
  listsSent,
  setScenario,
  skipNvml,
  startOnEightGpus,
  startOnStandIn,
  tell,
  waitForUnhealthy,
} from './support/nvml-agent.ts';

/** What the driver tells and shows of GPUs, through the library, the helper process and the agent, at the kubelet. */
describe.skipIf(skipNvml)('a GPU that the NVIDIA driver complains of', () => {
  test('leaves the list alone: told, shown or lost', async () => {
    await using node = await startOnEightGpus();
    await tell(node, '2 xid 79', waitForUnhealthy(node, [2]));
    // A wish that comes without an event is found by asking.
    await setScenario(node, 'gpu 5 recovery-action 1');
    await waitForUnhealthy(node, [2, 5]);
    await setScenario(node, 'gpu 5 recovery-action 1\nfault * 7 return 15');
    await waitForUnhealthy(node, [2, 5, 7]);
    expect((await node.admit('pod', 5)).phase).toBe('Running');
    expect(await node.stop()).toBe(0);
  });

  test('comes back when the driver wanted a reset and wants none any more', async () => {
    await using node = await startOnEightGpus();
    await tell(node, '3 recovery-action', waitForUnhealthy(node, [3]), 'gpu 3 recovery-action 1');
    await setScenario(node, '');
    await waitForUnhealthy(node, []);
    expect((await node.admit('pod', 8)).phase).toBe('Running');
  });

  test('stays, whatever number of errors of programs there are, and the next fault is heard', async () => {
    await using node = await startOnEightGpus();
    const before = listsSent(node);
    const heard = node.agent.waitForLog(({ xid }) => xid === 13, 45_000);
    await tell(node, '0 xid 13 - - 1000000', heard, 'event-rate 10000');
    expect((await node.admit('pod', 4)).phase).toBe('Running');
    expect(listsSent(node)).toBe(before);
    await tell(node, '6 xid 95', waitForUnhealthy(node, [6]));
  });

  test('stays when events cannot be followed', async () => {
    await using node = await startOnEightGpus();
    const before = listsSent(node);
    await setScenario(node, 'fault nvmlEventSetWait_v2 * return 999');
    await node.waitForLog('faults of the GPU would not be told');
    await node.waitForReadyz(200);
    expect(listsSent(node)).toBe(before);
    // What the driver shows counts all the same.
    await setScenario(node, 'fault nvmlEventSetWait_v2 * return 999\ngpu 1 remapped 0 1 0 1');
    await waitForUnhealthy(node, [1]);
  });

  test('stays out, and nobody knows how the others are, when no driver answers any more', async () => {
    const lost = 'fault nvmlDeviceGetTemperature 2 return 15';
    await using node = await startOnStandIn('', [
      '--device-discovery-strategy=auto',
      '--nvidia-smi=/nowhere/nvidia-smi',
      '--rescan-interval=1s',
    ]);
    await node.waitForGpus(8);
    await setScenario(node, lost);
    await waitForUnhealthy(node, [2]);
    const before = listsSent(node);
    await setScenario(node, `${lost}\nfault nvmlDeviceGetCount_v2 * return 999`);
    await node.waitForLog('no way to the GPUs answers');
    await node.waitForReadyz(200, ['the newest reading failed: ']);
    expect(listsSent(node)).toBe(before);
    await setScenario(node, '');
    await waitForUnhealthy(node, []);
  });

  test('stays listed as sick, or is not listed, where it fails before the agent starts; the others are served', async () => {
    const atStart = [
      'gpu 1 recovery-action 1',
      'gpu 2 remapped 0 1 0 1',
      'gpu 3 sram 1',
      'fault nvmlDeviceGetTemperature 4 return 15',
      'fault nvmlDeviceGetMemoryInfo 5 return 16',
      'fault * 7 return 15',
    ];
    await using node = await startOnStandIn(atStart.join('\n'));
    // Nobody knows what the last one is called, so it has no device.
    await node.waitForGpus(2);
    const health = (): readonly string[] => Object.values(node.listed());
    expect(health().map((word) => word === 'Healthy')).toEqual([
      true,
      ...[1, 2, 3, 4, 5].map(() => false),
      true,
    ]);
    expect((await node.admit('pod', 2)).phase).toBe('Running');
    await setScenario(node, 'fault * 7 return 15');
    // Two that were lost answer, and a wish is over; what wears out stays out.
    await node.waitForGpus(5);
    expect(health().map((word) => word === 'Healthy')).toEqual([true, true, false, false, true, true, true]);
  });

  test.each([
    ['is lost', [], ['fault * 2 return 15'], 'comes back'],
    ['fails at its temperature alone', [], ['fault nvmlDeviceGetTemperature 2 return 15'], 'comes back'],
    ['fails at its power alone', [], ['fault nvmlDeviceGetPowerUsage 2 return 15'], 'comes back'],
    [
      'fails at its error counters alone',
      [],
      ['fault nvmlDeviceGetTotalEccErrors 2 return 15'],
      'comes back',
    ],
    ['fails at its remapped rows alone', [], ['fault nvmlDeviceGetRemappedRows 2 return 15'], 'comes back'],
    ['wants a reboot', [], ['gpu 2 recovery-action 2'], 'comes back'],
    ['has fallen off the bus', ['2 xid 79'], [], 'stays out'],
    ['is given up', ['2 unavailable'], [], 'stays out'],
    ['has an uncorrectable error of memory, by its XID', ['2 xid 48'], [], 'stays out'],
  ] as const)('under load: %s', async (_, events, lines, then) => {
    await using node = await startOnEightGpus();
    const pod = await node.admit('all', 8);
    expect(pod.phase).toBe('Running');
    const isOut = waitForUnhealthy(node, [2]);
    if (events.length === 0) await setScenario(node, lines.join('\n'));
    for (const event of events) await tell(node, event, isOut);
    await isOut;
    expect(pod.phase).toBe('Running');
    await setScenario(node, '');
    if (then === 'stays out') {
      // The driver wants a reset, and then none: that is what one looks like.
      await setScenario(node, 'gpu 2 recovery-action 1');
      await node.waitForLog('the driver asks for a reset of the GPU');
      await waitForUnhealthy(node, [2]);
      await setScenario(node, '');
    }
    await waitForUnhealthy(node, []);
    expect(node.kubelet.violations).toEqual([]);
  });

  test('under load: stays in where an error of memory is told alone', async () => {
    await using node = await startOnEightGpus();
    const before = listsSent(node);
    const heard = node.waitForLog('an error of memory that could not be corrected');
    await tell(node, '2 ecc', heard);
    expect(listsSent(node)).toBe(before);
  });

  // A call has 10 s: the test waits so long for real.
  test('under load: leaves the list where it hangs when it is asked how it is, and the others stay', async () => {
    await using node = await startOnEightGpus();
    expect((await node.admit('some', 4)).phase).toBe('Running');
    await setScenario(node, 'fault nvmlDeviceGetPowerUsage 6 hang');
    await waitForUnhealthy(node, [6]);
    expect((await node.admit('others', 3)).phase).toBe('Running');
    expect(node.kubelet.violations).toEqual([]);
  });
});
