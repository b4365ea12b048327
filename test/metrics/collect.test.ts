import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { encodeRecord } from '../../src/allocation/record.ts';
import { describeNode, type NodeFacts } from '../../src/allocation/status/describe-node.ts';
import type { NodeStatus } from '../../src/allocation/status/node-status.ts';
import { createMetrics, type Metrics } from '../../src/metrics/collect.ts';
import { definitions, type Definition } from '../../src/metrics/definitions.ts';
import { bookedDevice, bookedUnits, History, listedUnits, units } from '../allocation/holdings/history.ts';
import { nodeFacts } from '../allocation/status/node-facts.ts';

/** An agent that does not serve says nothing of who holds what. */
const standby = (): NodeStatus =>
  describeNode(
    nodeFacts(History.settled(), { agent: { version: '0.1.0', role: 'standby', reason: 'standing by' } }),
  );

/** A node on which memory, a whole GPU, a MIG instance and time slices are held. */
function busy(): NodeStatus {
  const whole = encodeRecord({ version: 1, gpus: [{ uuid: 'GPU-b', mib: 9216 }] });
  const history = History.settled(
    bookedUnits('p', units(0, 3), 'GPU-a'),
    bookedDevice('w', 'GPU-b', whole),
    bookedDevice('m', 'MIG-1', null, 'nvidia.com/mig-1g.5gb'),
    bookedDevice('s', 'GPU-c::1', whole.replace('GPU-b', 'GPU-c')),
  ).listed(1, listedUnits('trainer', units(0, 3)));
  return describeNode(nodeFacts(history, { health }));
}

const well = { since: '2026-11-23T03:00:00.000Z', unmonitored: null, findings: [] };
const health: NodeFacts['health'] = new Map([
  ['GPU-a', { ...well, state: 'unhealthy' }],
  ['GPU-b', { ...well, state: 'degraded' }],
  ['GPU-c', { ...well, state: 'healthy' }],
  // The driver names it no more.
  ['GPU-z', { ...well, state: 'unhealthy' }],
]);

const golden = new URL('../golden/metrics.txt', import.meta.url);

function create(snapshotAgeSeconds: number | null = 12.5, status: () => NodeStatus = standby): Metrics {
  return createMetrics({
    status,
    version: '0.1.0',
    snapshotAgeSeconds: () => snapshotAgeSeconds,
    processUsage: () => ({ residentBytes: 73_400_320, cpuSeconds: 1.25 }),
    startTimeSeconds: 1_790_000_000,
  });
}

/** Every report that the program can make, with values that tell the series apart. */
function reportEverything(metrics: Metrics): void {
  metrics.serving(true);
  metrics.configValid(true);
  metrics.configInForce('v100');
  metrics.configInForce('a100');
  metrics.gpus({ readable: 7, failed: 1 });
  metrics.degradations(['mig-without-instances', 'too-many-devices', 'mig-without-instances']);
  metrics.devices('nvidia.com/gpu', { healthy: 6, unhealthy: 2 });
  metrics.connected('nvidia.com/gpu', true);
  metrics.registration('nvidia.com/gpu', 'refused');
  metrics.registration('nvidia.com/gpu', 'accepted');
  metrics.registration('nvidia.com/gpu', 'accepted');
  metrics.allocation('nvidia.com/gpu');
  metrics.allocation('nvidia.com/gpu');
  metrics.allocation('nvidia.com/gpu');
  metrics.refusal('nvidia.com/gpu', 'unknown-device');
  metrics.refusal('nvidia.com/gpu', 'malformed');
  metrics.rpc('Allocate', 'OK', 0.0004);
  metrics.rpc('Allocate', 'OK', 0.2);
  metrics.rpc('GetPreferredAllocation', 'INVALID_ARGUMENT', 0.00005);
  metrics.nodeStatusWrite('written');
  metrics.nodeStatusWrite('written');
  metrics.nodeStatusWrite('refused');
  metrics.healthWrite('condition', 'written');
  metrics.healthWrite('event', 'written');
  metrics.healthWrite('event', 'failed');
  metrics.healthWrite('event', 'failed');
  metrics.snapshotFailure();
  metrics.driverRestart();
  metrics.driverRestart();
  metrics.xid({ uuid: 'GPU-a', xid: '79', class: 'reboot' }, 1);
  metrics.xid({ uuid: 'GPU-a', xid: '79', class: 'reboot' }, 3);
  metrics.xid({ uuid: '', xid: 'unknown', class: 'unknown' }, 1);
}

/** The sample lines of a text, by series. */
function samples(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

test('the text is the one that dashboards and alerts are written against', async () => {
  const metrics = create(12.5, busy);
  reportEverything(metrics);
  await expect(await metrics.text()).toMatchFileSnapshot(golden.pathname);
});

test('a report counts the same before and after the library is loaded', async () => {
  const early = create();
  reportEverything(early);
  const late = create();
  await late.text();
  reportEverything(late);
  const seriesOf = async (metrics: Metrics): Promise<object> =>
    Object.fromEntries(samples(await metrics.text()));
  expect(await seriesOf(late)).toEqual(await seriesOf(early));
});

test('no report is lost or counted twice when many come before anybody asks', async () => {
  const metrics = create();
  for (let count = 0; count < 1000; count += 1) metrics.allocation('nvidia.com/gpu');
  await new Promise((resolve) => setTimeout(resolve, 0));
  for (let count = 0; count < 1000; count += 1) metrics.allocation('nvidia.com/gpu');
  expect(samples(await metrics.text()).get('slicewise_allocations_total{resource="nvidia.com/gpu"}')).toBe(
    2000,
  );
  expect(samples(await metrics.text()).get('slicewise_allocations_total{resource="nvidia.com/gpu"}')).toBe(
    2000,
  );
});

test('the age of the inventory is absent before the first one', async () => {
  expect(samples(await create(null).text()).has('slicewise_snapshot_age_seconds')).toBe(false);
  expect(samples(await create(0).text()).get('slicewise_snapshot_age_seconds')).toBe(0);
});

test('process figures are absent where the system does not tell them', async () => {
  const metrics = createMetrics({
    status: standby,
    version: '0.1.0',
    snapshotAgeSeconds: () => null,
    processUsage: () => null,
    startTimeSeconds: 1,
  });
  const series = samples(await metrics.text());
  expect(series.has('process_resident_memory_bytes')).toBe(false);
  expect(series.has('process_cpu_seconds_total')).toBe(false);
});

test('looked-up values are looked up anew for every scrape', async () => {
  let age = 1;
  let cpuSeconds = 1;
  const metrics = createMetrics({
    status: standby,
    version: '0.1.0',
    snapshotAgeSeconds: () => age,
    processUsage: () => ({ residentBytes: 1, cpuSeconds }),
    startTimeSeconds: 1,
  });
  await metrics.text();
  age = 31;
  cpuSeconds = 2;
  const series = samples(await metrics.text());
  expect(series.get('slicewise_snapshot_age_seconds')).toBe(31);
  expect(series.get('process_cpu_seconds_total')).toBe(2);
});

test('counters of a resource start at 0 with its first list, and listing again leaves them alone', async () => {
  const metrics = create();
  metrics.devices('nvidia.com/gpu', { healthy: 1, unhealthy: 0 });
  expect(samples(await metrics.text()).get('slicewise_allocations_total{resource="nvidia.com/gpu"}')).toBe(0);
  metrics.allocation('nvidia.com/gpu');
  metrics.devices('nvidia.com/gpu', { healthy: 1, unhealthy: 0 });
  expect(samples(await metrics.text()).get('slicewise_allocations_total{resource="nvidia.com/gpu"}')).toBe(1);
});

test('what nobody holds any more has no series, nor has what another agent serves', async () => {
  let status = busy();
  const metrics = create(1, () => status);
  const held = async (): Promise<readonly string[]> =>
    [...samples(await metrics.text()).keys()].filter((name) =>
      /^slicewise_(?:memory|container|devices_withheld)/.test(name),
    );
  expect((await held()).filter((name) => name.includes('pod="trainer"'))).toHaveLength(2);
  status = describeNode(nodeFacts(History.settled()));
  const idle = await held();
  expect(idle.filter((name) => name.includes('container'))).toEqual([]);
  expect(idle).toContain('slicewise_memory_units_held{uuid="GPU-a"}');
  status = standby();
  expect(await held()).toEqual([]);
  status = busy();
  expect((await held()).filter((name) => name.includes('pod="trainer"'))).toHaveLength(2);
});

test('a container that holds two parts of a GPU by one resource has their sum', async () => {
  const status = busy();
  const twice = {
    ...status,
    gpus: status.gpus.map((gpu) => ({ ...gpu, holders: [...(gpu.holders ?? []), ...(gpu.holders ?? [])] })),
  };
  const series = samples(await create(1, () => twice).text());
  const labels = 'namespace="ns",pod="trainer",container="app",uuid="GPU-a",resource="nvidia.com/gpu-memory"';
  expect(series.get(`slicewise_container_gpu{${labels}}`)).toBe(1);
  expect(series.get(`slicewise_container_gpu_memory_bytes{${labels}}`)).toBe(2 * 2 ** 30);
});

test('two sets of metrics share nothing', async () => {
  const [one, other] = [create(), create()];
  one.driverRestart();
  expect(samples(await one.text()).get('slicewise_driver_restarts_total')).toBe(1);
  expect(samples(await other.text()).get('slicewise_driver_restarts_total')).toBe(0);
});

test('a resource name cannot break out of its label', async () => {
  const metrics = create();
  metrics.allocation('evil"} 1\nforged_total 1\\');
  expect([...samples(await metrics.text()).keys()].filter((name) => name.startsWith('forged'))).toEqual([]);
});

const table = Object.values<Definition>(definitions);

test.each(table)('$name follows the naming rules of Prometheus', ({ kind, name, help, labels }) => {
  expect(name).toMatch(/^(slicewise|process)(_[a-z]+)+$/);
  // process_cpu_seconds_total and its siblings are names that every Prometheus client shares.
  expect(name.endsWith('_total')).toBe(kind === 'counter');
  expect(help).toMatch(/^[A-Z0-9].*\.$/);
  for (const label of Object.keys(labels)) expect(label).toMatch(/^[a-z]+$/);
});

test.each(table)('$name is served, with the label values that the table names', ({ name, kind, labels }) => {
  const text = readFileSync(golden, 'utf8');
  expect(text).toContain(`# TYPE ${name} ${kind}\n`);
  const belongs = new RegExp(`^${name}(_bucket|_sum|_count)?([{]|$)`);
  const series = [...samples(text).keys()].filter((line) => belongs.test(line));
  expect(series).not.toEqual([]);
  const strangers = series
    .flatMap((line) => [...line.matchAll(/(\w+)="([^"]*)"/g)])
    .filter(([, label = '', value = '']) => {
      const allowed = labels[label];
      return Array.isArray(allowed) ? !allowed.includes(value) : allowed === undefined && label !== 'le';
    });
  expect(strangers).toEqual([]);
});

test('buckets ascend from a tenth of a millisecond to ten seconds', () => {
  const { buckets } = definitions.rpcDuration;
  expect([...buckets].sort((a, b) => a - b)).toEqual(buckets);
  expect([buckets[0], buckets.at(-1)]).toEqual([0.0001, 10]);
});
