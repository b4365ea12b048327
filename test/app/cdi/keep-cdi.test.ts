import { expect, it, vi } from 'vitest';
import type { NodeDescription } from '../../../src/cdi/describe-node.ts';
import { keepCdi } from '../../../src/app/cdi/keep-cdi.ts';
import { emptyNode, type Node } from '../../../src/app/node.ts';
import type { OfferSettings } from '../../../src/app/settings.ts';
import { readDeviceNodes } from '../../../src/inventory/device-nodes.ts';
import type { Snapshot } from '../../../src/inventory/gpu.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { defaultResources } from '../../support/plans.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { shortFolder } from '../../support/short-folder.ts';
import { gpu, snapshotOf } from '../../support/snapshots.ts';

const settings: OfferSettings = {
  imexRequired: false,
  sharedDevicesPolicy: 'distributed',
  response: {
    deviceListStrategies: ['cdi-cri'],
    deviceIdStrategy: 'uuid',
    passDeviceSpecs: false,
    imexChannelIds: [],
    features: { gdrcopy: false, gds: false, mofed: false },
    cdiAnnotationPrefix: 'cdi.k8s.io/',
  },
  resources: defaultResources,
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
const patience = { timeout: 20_000, interval: 10 };
const shortage = 'EMFILE: too many open files, scandir';
const [first, second] = [gpu(0), gpu(1)];

/** A task that keeps specs whose describer and folder fail as long as they are told to. */
async function keeping(serving = true) {
  const clock = new ManualClock();
  const node: Node = emptyNode(clock);
  const { log, lines } = recordingLog();
  const faults = { describe: false, write: false };
  const written: (readonly string[])[] = [];
  const describer = {
    describe({ gpus }: Snapshot): Promise<NodeDescription> {
      if (faults.describe) return Promise.reject(new Error(shortage));
      const names = new Map(gpus.map(({ uuid }) => [uuid, `kind=${uuid}`]));
      const text = gpus.map(({ uuid }) => uuid).join();
      return Promise.resolve({
        specs: new Map(),
        texts: new Map([['gpu', text]]),
        names: { gpus: names, others: [] },
        faults: new Map(),
        trouble: [],
        missing: [],
      });
    },
  };
  const folder = {
    path: await shortFolder(),
    sync(texts: ReadonlyMap<string, string>): Promise<boolean> {
      if (faults.write) return Promise.reject(new Error('EROFS'));
      written.push([...texts.values()]);
      return Promise.resolve(false);
    },
  };
  const stop = new AbortController();
  node.holdsLock.set(serving);
  const ended = keepCdi(node, { settings, describer, folder, clock, log }, stop.signal);
  const nodes = await readDeviceNodes('/', [], async () => false);
  return {
    node,
    faults,
    clock,
    lines,
    written,
    async read(...gpus: readonly ReturnType<typeof gpu>[]) {
      const reading = { snapshot: snapshotOf(gpus), nodes, readAtMs: 0 };
      node.inventory.set({ reading, failure: null, noDriver: false, pciGpus: null });
      await vi.waitFor(() => expect(node.described.value?.reading).toBe(reading), patience);
      return node.described.value;
    },
    /** Lets time pass until it is so; the folder that is watched is a real one, so nobody can say how many turns that takes. */
    async passUntil(check: () => void) {
      await vi.waitFor(async () => {
        await clock.advance(10_000);
        check();
      }, patience);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

it('what was described stays offered while the node cannot be described anew, and what is new is not', async () => {
  await using keeper = await keeping();
  expect((await keeper.read(first))?.cdi).toMatchObject({ problem: null, inForce: true });
  keeper.faults.describe = true;
  const described = await keeper.read(first, second);
  expect(described?.cdi).toMatchObject({ problem: null, inForce: true });
  expect(described?.cdi?.trouble.join()).toContain(shortage);
  expect([...(described?.cdi?.names.gpus.keys() ?? [])]).toEqual([first.uuid]);
  expect([...(described?.cdi?.faults.keys() ?? [])]).toEqual([second.uuid]);
  expect(keeper.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  keeper.faults.describe = false;
  await keeper.passUntil(() =>
    expect(keeper.node.described.value?.cdi).toMatchObject({ trouble: [], faults: new Map() }),
  );
  expect(keeper.written.at(-1)).toEqual([`${first.uuid},${second.uuid}`]);
});

it('nothing is offered as long as the node was never described', async () => {
  await using keeper = await keeping();
  keeper.faults.describe = true;
  expect((await keeper.read(first))?.cdi).toMatchObject({ problem: shortage, inForce: false });
  keeper.faults.describe = false;
  await keeper.passUntil(() =>
    expect(keeper.node.described.value?.cdi).toMatchObject({ problem: null, inForce: true }),
  );
});

it('specs of another agent are not believed to be ours when this one comes to serve', async () => {
  await using keeper = await keeping(false);
  expect((await keeper.read(first))?.cdi).toMatchObject({ problem: null, inForce: false });
  keeper.faults.describe = true;
  keeper.node.holdsLock.set(true);
  await keeper.passUntil(() =>
    expect(keeper.node.described.value?.cdi).toMatchObject({ problem: shortage, inForce: false }),
  );
  expect(keeper.written).toEqual([]);
});
