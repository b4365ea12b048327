import { setTimeout as sleep } from 'node:timers/promises';
import { emptyNode } from '../src/app/node.ts';
import { keepOffers } from '../src/app/offers/keep-offers.ts';
import type { OfferSettings } from '../src/app/settings.ts';
import { ListEncoder } from '../src/kubelet/encode-list.ts';
import { systemClock } from '../src/lib/clock.ts';
import { createMetrics } from '../src/metrics/collect.ts';
import { deviceNodes } from '../test/app/test-offer.ts';
import { defaultResources } from '../test/support/plans.ts';
import { recordingLog } from '../test/support/recording-log.ts';
import { settings as response } from '../test/support/response-settings.ts';
import { gpu, snapshotOf } from '../test/support/snapshots.ts';
import { gpuResource } from './agent-under-test.ts';
import type { Measurement, Values } from './measurements.ts';

const gpus = 8;
const replicas = 2500;

/**
 * The CPU time of this very process from a verdict on one of eight GPUs in 20,000 time slices to the list, and from the list to its bytes. Also a
 * machine that is busy with other things tells it. The first values are of code that is not warm yet, as it never is in an agent.
 */
async function* makeLists(_subject: unknown, runs: number): AsyncGenerator<Values> {
  for (let run = 0; run < runs;) {
    const stop = new AbortController();
    const node = emptyNode(systemClock);
    const running = keepOffers(node, { clock: systemClock, log: recordingLog().log, metrics }, stop.signal);
    const snapshot = snapshotOf(Array.from({ length: gpus }, (_, index) => gpu(index)));
    const reading = { snapshot, nodes: deviceNodes, readAtMs: 0 };
    node.inventory.set({ reading, failure: null, noDriver: false, pciGpus: null });
    node.described.set({ reading, settings, cdi: null });
    const [offer] = await node.offers.until((offers) => offers.length > 0, stop.signal);
    if (offer === undefined) throw new Error('nothing is offered');
    const encoder = new ListEncoder();
    encoder.encode(offer.list.value);
    for (let at = 0; at < gpus && run < runs; at += 1, run += 1) {
      await sleep(betweenFaultsMs);
      const before = offer.list.value;
      const startedAt = process.cpuUsage();
      const scope = { gpuInstanceId: null, computeInstanceId: null };
      const incident = { gpu: gpu(at).uuid, pciBusId: null, ...scope, count: 1, source: 'nvml' } as const;
      node.health.learn({ kind: 'incident', incident: { ...incident, kind: 'xid', xid: 79 }, scope: null });
      const list = await offer.list.until((value) => value !== before, stop.signal);
      const madeMs = cpuMsSince(startedAt);
      encoder.encode(list);
      yield [madeMs, cpuMsSince(startedAt) - madeMs];
    }
    stop.abort();
    await running;
  }
}

const betweenFaultsMs = 30;

function cpuMsSince(startedAt: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(startedAt);
  return (user + system) / 1000;
}

const settings: OfferSettings = {
  imexRequired: false,
  response,
  sharedDevicesPolicy: 'distributed',
  resources: {
    ...defaultResources,
    timeSlicing: {
      renameByDefault: false,
      failRequestsGreaterThanOne: false,
      resources: [{ name: gpuResource, devices: 'all', replicas }],
    },
  },
  memory: {
    enabled: false,
    unitMiB: 1024,
    reservedPerGpuMiB: 0,
    devices: null,
    override: [],
    maxPerContainerMiB: null,
    fit: 'guaranteed',
    releaseDelayMs: 0,
    frameworkEnv: false,
  },
};

const metrics = createMetrics({
  version: '',
  status: () => {
    throw new Error('nobody asks');
  },
  snapshotAgeSeconds: () => 0,
  processUsage: () => null,
  startTimeSeconds: 0,
});

/** What a change of 2,500 of 20,000 devices costs. */
export const listMaking: readonly Measurement[] = [
  {
    name: 'verdict → list of 20,000 time slices, CPU',
    unit: 'ms',
    runs: 48,
    parts: ['made', 'encoded'],
    measure: makeLists,
  },
];
