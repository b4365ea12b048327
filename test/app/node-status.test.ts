import { describe, expect, it } from 'vitest';
import { emptyNode, type Node } from '../../src/app/node.ts';
import { readNodeStatus } from '../../src/app/node-status.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { gpu, snapshotOf } from '../support/snapshots.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { asPlan, deviceNodes, nodeFacts, planned, testOffer } from './test-offer.ts';

async function defaults(): Promise<Config> {
  const loaded = await loadConfig({ flags: {}, env: {}, file: null });
  if (loaded.kind === 'invalid') throw new Error('the defaults are wrong');
  return loaded.config;
}

async function read(prepare: (node: Node, clock: ManualClock) => unknown) {
  const clock = new ManualClock();
  const node = emptyNode(clock);
  await prepare(node, clock);
  return readNodeStatus(node, await defaults(), clock);
}

describe('the status of an agent', () => {
  it.each<[string, (node: Node) => void, string, string | null]>([
    ['that has just begun', () => undefined, 'waiting', 'starting'],
    [
      'without a folder of the kubelet',
      ({ serving }) => serving.waiting({ kind: 'folder', reason: 'waiting for the folder' }),
      'waiting',
      'waiting for the folder',
    ],
    [
      'that stands by',
      ({ serving }) => serving.waiting({ kind: 'other-agent', reason: 'standing by' }),
      'standby',
      'standing by',
    ],
    [
      'that serves',
      ({ serving, holdsLock }) => {
        serving.serving();
        holdsLock.set(true);
      },
      'serving',
      null,
    ],
    ['that has freed the lock', ({ serving }) => serving.serving(), 'waiting', 'no longer serving'],
  ])('%s', async (_, prepare, role, reason) => {
    expect((await read(prepare)).agent).toMatchObject({ role, reason });
  });

  it('tells the age of its reading, and when that is too old', async () => {
    const ages = await Promise.all(
      [2500, 31_000].map(async (ms) => {
        const { inventory } = await read(async (node, clock) => {
          const reading = { snapshot: snapshotOf([gpu(0)]), nodes: deviceNodes, readAtMs: clock.now() };
          node.inventory.set({ reading, failure: 'no answer', noDriver: false, pciGpus: null });
          await clock.advance(ms);
        });
        return inventory;
      }),
    );
    expect(ages).toEqual([
      { ageSeconds: 2.5, isStale: false, failure: 'no answer', driverClosedUntil: null, unreadable: [] },
      { ageSeconds: 31, isStale: true, failure: 'no answer', driverClosedUntil: null, unreadable: [] },
    ]);
    expect((await read(() => undefined)).inventory.ageSeconds).toBeNull();
  });

  it('has the devices as they are listed', async () => {
    const { offer } = testOffer();
    offer.update(asPlan([planned(0), planned(1, { fault: 'GPU is lost' }), planned(2)]), nodeFacts);
    offer.update(asPlan([planned(0), planned(1, { fault: 'GPU is lost' })]), nodeFacts);
    expect(offer.devices().map(({ id, gpu: uuid, unhealthy }) => [id, uuid, unhealthy])).toEqual([
      ['GPU-0', 'GPU-0', null],
      ['GPU-1', 'GPU-1', 'fault'],
      ['GPU-2', 'GPU-2', 'leaving'],
    ]);
    const { resources } = await read((node) => {
      node.offers.set([offer]);
      node.serving.connected('nvidia.com/gpu', true);
    });
    expect(resources).toEqual([
      {
        resource: 'nvidia.com/gpu',
        isConnected: true,
        healthy: 1,
        unhealthy: 2,
        withheld: { fault: 1, leaving: 1 },
      },
    ]);
  });
});
