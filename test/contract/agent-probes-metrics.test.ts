import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { devicePluginService } from '../../src/kubelet/wire.ts';
import { version } from '../../src/lib/version.ts';
import { callOnce } from '../simulator/call-once.ts';
import { type ParsedMetrics, parsePrometheusText } from './support/prometheus-text.ts';
import { gpuResource as resource, type RunningAgent, startRunningAgent } from './support/running-agent.ts';
import { args, files, good } from './support/v100-node.ts';

/** The metrics, once a sample has the value. */
async function metricsWith(
  node: RunningAgent,
  name: string,
  labels: Readonly<Record<string, string>>,
  value: number,
): Promise<ParsedMetrics> {
  const read = async (): Promise<ParsedMetrics> => parsePrometheusText((await node.get('/metrics')).body);
  return node.poll(read, (metrics) => metrics.value(name, labels) === value, `${name} ${value}`);
}

/** Calls Allocate as a kubelet that has gone mad; the text of the refusal. */
function askFor(node: RunningAgent, ids: readonly string[]): Promise<string> {
  return askForAll(node, [ids]);
}

async function askForAll(node: RunningAgent, containers: readonly (readonly string[])[]): Promise<string> {
  const endpoint = node.kubelet.events.findLast((event) => event.kind === 'registered')?.endpoint ?? '';
  const socket = join(node.kubelet.devicePluginFolder, endpoint);
  return callOnce(socket, devicePluginService.Allocate, containers).then(
    () => 'granted',
    (thrown: unknown) => String(thrown),
  );
}

describe('/metrics', () => {
  test('at rest: what runs, what is served, counters at 0', async () => {
    await using node = await startRunningAgent({ args, files });
    await node.waitForGpus(4);
    const metrics = await metricsWith(node, 'slicewise_kubelet_connected', { resource }, 1);
    const expected: readonly (readonly [string, Readonly<Record<string, string>>, number])[] = [
      ['slicewise_build_info', { version }, 1],
      ['slicewise_serving', {}, 1],
      ['slicewise_config_valid', {}, 1],
      ['slicewise_kubelet_registrations_total', { resource, result: 'accepted' }, 1],
      ['slicewise_kubelet_registrations_total', { resource, result: 'refused' }, 0],
      ['slicewise_devices', { resource, health: 'healthy' }, 4],
      ['slicewise_devices', { resource, health: 'unhealthy' }, 0],
      ['slicewise_allocations_total', { resource }, 0],
      ['slicewise_gpus', { state: 'readable' }, 4],
      ['slicewise_gpus', { state: 'failed' }, 0],
      ['slicewise_driver_snapshot_failures_total', {}, 0],
      ['slicewise_driver_restarts_total', {}, 0],
    ];
    const found = expected.map(([name, labels]) => [name, labels, metrics.value(name, labels)]);
    expect(found).toEqual(expected);
    for (const name of ['process_resident_memory_bytes', 'process_cpu_seconds_total'])
      expect(metrics.value(name)).toBeGreaterThan(0);
    expect(metrics.value('slicewise_snapshot_age_seconds')).toBeGreaterThanOrEqual(0);
    expect(metrics.types.get('slicewise_allocations_total')).toBe('counter');
    expect(metrics.types.get('slicewise_devices')).toBe('gauge');
    expect(metrics.types.get('slicewise_rpc_duration_seconds')).toBe('histogram');
  });

  test('registrations, by their result', async () => {
    await using node = await startRunningAgent({ args, files });
    await node.waitForGpus(4);
    node.kubelet.faults.refuseRegistrations(2, 'no more room');
    await node.kubelet.restart();
    await node.waitForGpus(4);
    const metrics = await metricsWith(node, 'slicewise_kubelet_connected', { resource }, 1);
    const registrations = (result: string): number | undefined =>
      metrics.value('slicewise_kubelet_registrations_total', { resource, result });
    expect([registrations('accepted'), registrations('refused')]).toEqual([2, 2]);
    await node.kubelet.stop();
    await metricsWith(node, 'slicewise_kubelet_connected', { resource }, 0);
  });

  test('allocations, and refusals by their reason; the time of each call', async () => {
    await using node = await startRunningAgent({ args, files });
    await node.waitForGpus(4);
    const ids = Object.keys(node.listed());
    const [first = '', second = ''] = ids;
    await node.admit('one', 1);
    await node.admit('two', 2);
    expect(await askFor(node, ['GPU-unheard-of'])).toContain("is none of this node's 4");
    expect(await askFor(node, [])).toContain('names no device');
    expect(await askFor(node, [first, first])).toContain('more than once');
    expect(await askFor(node, [...ids, first])).toContain('5 asked, but this node has 4');
    expect(await askForAll(node, [])).toContain('names no container');
    expect(await askForAll(node, [[first], [first]])).toContain('by two containers at once');
    await node.write('node.yaml', { ...good, overrides: [{ gpu: 1, state: 'lost' }] });
    await node.waitForGpus(3);
    expect(await askFor(node, [second])).toContain(`GPU 1 (${second}) cannot be used`);

    const metrics = await metricsWith(node, 'slicewise_allocations_total', { resource }, 2);
    const refusals = metrics.samples.filter(({ name }) => name === 'slicewise_refusals_total');
    expect(Object.fromEntries(refusals.map(({ labels, value }) => [labels['reason'], value]))).toEqual({
      'unknown-device': 1,
      'no-device': 1,
      'duplicate-device': 1,
      'too-many-devices': 1,
      'unhealthy-device': 1,
      malformed: 2,
    });
    expect(metrics.value('slicewise_devices', { resource, health: 'unhealthy' })).toBe(1);
    expect(metrics.value('slicewise_gpus', { state: 'failed' })).toBe(1);

    const calls = (code: string): number | undefined =>
      metrics.value('slicewise_rpc_duration_seconds_count', { method: 'Allocate', code });
    expect([calls('OK'), calls('INVALID_ARGUMENT'), calls('FAILED_PRECONDITION')]).toEqual([2, 6, 1]);
    expectHistogram(metrics, { method: 'Allocate', code: 'OK' });
  });

  test('a standby and a driver that fails', async () => {
    await using node = await startRunningAgent({ args, files });
    await node.waitForGpus(4);
    node.startAgent();
    await node.waitForReadyz(200, ['standing by']);
    await metricsWith(node, 'slicewise_serving', {}, 0);
    await node.write('node.yaml', { ...good, timeline: [{ at: '0s', do: 'fail-driver' }] });
    await metricsWith(node, 'slicewise_driver_snapshot_failures_total', {}, 2);
  });
});

/** Buckets only grow, the last holds all calls, and the sum fits in what the buckets say. */
function expectHistogram(metrics: ParsedMetrics, labels: Readonly<Record<string, string>>): void {
  const name = 'slicewise_rpc_duration_seconds';
  const buckets = metrics.samples.filter(
    (sample) =>
      sample.name === `${name}_bucket` &&
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  const bounds = buckets.map((sample) => Number(sample.labels['le']?.replace('+Inf', 'Infinity')));
  const counts = buckets.map(({ value }) => value);
  expect(bounds.length).toBeGreaterThan(5);
  expect(bounds).toEqual(bounds.toSorted((one, other) => one - other));
  expect(counts).toEqual(counts.toSorted((one, other) => one - other));
  expect(bounds.at(-1)).toBe(Infinity);
  expect(counts.at(-1)).toBe(metrics.value(`${name}_count`, labels));
  expect(metrics.value(`${name}_sum`, labels)).toBeGreaterThan(0);
}
