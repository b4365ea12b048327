import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { encodeRecord } from '../../src/allocation/record.ts';
import { describeNode } from '../../src/allocation/status/describe-node.ts';
import type { GpuFindingStatus } from '../../src/allocation/status/gpu-status.ts';
import type { NodeStatus } from '../../src/allocation/status/node-status.ts';
import { jsonPrinter, textPrinter } from '../../src/cli/status-output.ts';
import { memoryResource } from '../../src/resources/memory-units.ts';
import { bookedDevice, bookedUnits, History, listedUnits, units } from '../allocation/holdings/history.ts';
import { gpus, nodeFacts, offerOf } from '../allocation/status/node-facts.ts';
import { snapshotOf } from '../support/snapshots.ts';
import { fakeTerminal, type FakeTerminalOptions } from './fake-terminal.ts';

const uuids = Object.fromEntries(gpus.map(({ uuid }, at) => [uuid, `${uuid}${String(at).repeat(35)}`]));

/** As it is on a real node, whose UUIDs have 40 characters. */
function withLongUuids(status: NodeStatus): NodeStatus {
  return {
    ...status,
    gpus: status.gpus.map((gpu) => ({ ...gpu, uuid: uuids[gpu.uuid] ?? gpu.uuid })),
  };
}

/** Everything at once: shared memory, a whole GPU of another plugin, a MIG instance, a fault, an answer under way. */
function busy(): NodeStatus {
  const mig = encodeRecord({ version: 1, gpus: [{ uuid: 'GPU-d', mig: 'MIG-1', mib: 4864 }] });
  const history = History.settled(
    bookedUnits('7c9e6679-7425-40de-944b-e07fc1f90ae7', units(0, 3), 'GPU-a'),
    bookedUnits('0b6a2a0c-9a4e-4c3b-8a39-5a9a4ad0ad52', units(3, 2), 'GPU-a', 'init'),
    bookedDevice('w', 'GPU-b'),
    bookedDevice('m', 'MIG-1', mig, 'nvidia.com/mig-1g.5gb'),
  )
    .listed(1, listedUnits('trainer', units(0, 3)))
    .answered(2, units(5, 1), 'GPU-a');
  const sick = gpus.map((gpu) => (gpu.uuid === 'GPU-c' ? { ...gpu, error: 'GPU is lost' } : gpu));
  return describeNode(
    nodeFacts(history, {
      snapshot: snapshotOf(sick),
      offer: offerOf(history, { faults: new Map([['GPU-c', 'GPU is lost']]) }),
      inventory: {
        ageSeconds: 2.4,
        isStale: false,
        failure: null,
        driverClosedUntil: null,
        unreadable: [{ index: 4, error: 'no answer' }],
      },
    }),
  );
}

function healthWith(
  finding: Pick<GpuFindingStatus, 'effect' | 'what' | 'remedy'>,
): NodeStatus['missing'][number]['health'] {
  const at = '2026-11-23T03:00:00.000Z';
  const rest = { key: 'xid-79', canBeAcknowledged: true, xid: 79, class: 'reboot', migInstance: null };
  const findings = [{ ...rest, firstAt: at, lastAt: at, count: 1, ...finding }];
  return { state: 'unhealthy', since: at, unmonitored: null, findings };
}

async function show(
  statuses: readonly NodeStatus[],
  output: { readonly watch: boolean } & FakeTerminalOptions,
): Promise<string> {
  const { terminal, close } = fakeTerminal(output);
  const print = textPrinter(terminal.stdout, output.watch);
  for (const status of statuses) print(withLongUuids(status));
  return (await close()).stdout;
}

describe('the table', () => {
  it('of a busy node', async () => {
    const shown = await show([busy()], { watch: false });
    await expect(shown).toMatchFileSnapshot('../golden/status-busy.txt');
    expect(Math.max(...shown.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('of a node on which nothing is certain', async () => {
    const history = History.settled(
      bookedDevice('p', 'm3', null, memoryResource),
      bookedUnits('q', units(4, 2), 'GPU-a'),
    ).kubelet(5, [bookedDevice('p', 'm3', null, memoryResource)]);
    const failed = {
      ageSeconds: 71,
      isStale: true,
      failure: 'it is gone',
      driverClosedUntil: null,
      unreadable: [],
    };
    const orphaned = describeNode(nodeFacts(history, { inventory: failed }));
    await expect(await show([orphaned], { watch: false })).toMatchFileSnapshot('../golden/status-odd.txt');
  });

  it('names GPUs that something is held against and that the driver does not name', async () => {
    const finding = {
      effect: 'unhealthy',
      what: 'it has fallen off the bus',
      remedy: 'Look at it.',
    } as const;
    const missing = [{ uuid: 'GPU-z', health: healthWith(finding) }];
    const without = describeNode(nodeFacts(History.settled(), { snapshot: snapshotOf([]) }));
    const shown = await show([{ ...without, missing }], { watch: false });
    expect(shown.split('\n').slice(-4)).toEqual([
      '  -  GPU-z      -     -     -  unhealthy',
      '     the driver does not name it now',
      '     unhealthy: it has fallen off the bus. Look at it.',
      '',
    ]);
  });

  it('of a node without memory, and of one that nobody serves', async () => {
    const history = History.settled();
    const { plan } = offerOf(history);
    const offer = offerOf(history, { plan: { ...plan, gpus: [], units: 0 } });
    const untracked = describeNode(nodeFacts(history, { offer, isTracked: false }));
    const waiting = describeNode(
      nodeFacts(history, {
        agent: { version: '0.1.0', role: 'waiting', reason: 'starting' },
        inventory: {
          ageSeconds: null,
          isStale: false,
          failure: null,
          driverClosedUntil: null,
          unreadable: [],
        },
        snapshot: null,
        resources: [],
        offer,
      }),
    );
    const shown = await show([untracked, waiting], { watch: false });
    await expect(shown).toMatchFileSnapshot('../golden/status-untracked.txt');
  });

  it('cannot be forged by what a driver says', async () => {
    const status = busy();
    const evil = { ...status, gpus: status.gpus.map((gpu) => ({ ...gpu, product: 'A\u001b[2J\nGPU' })) };
    const shown = await show([evil], { watch: false });
    expect(shown).toContain('A?[2J?GPU');
    expect(shown).not.toContain('\u001b');
  });
});

describe('on a terminal', () => {
  it('has colours that do not move columns', async () => {
    const size = { columns: 120, rows: 60 };
    const shown = await show([busy()], { watch: false, size });
    expect(shown).toContain('\u001b[31munhealthy');
    expect(stripVTControlCharacters(shown)).toBe(await show([busy()], { watch: false }));
  });

  it('is drawn anew by --watch, and never larger than the terminal', async () => {
    const size = { columns: 60, rows: 12 };
    const shown = await show([busy(), busy()], { watch: true, size });
    const screens = shown.split('\u001b[H\u001b[2J').slice(1);
    expect(screens).toHaveLength(2);
    const lines = stripVTControlCharacters(screens[0] ?? '').split('\n');
    expect(lines.length).toBe(12);
    expect(Math.max(...lines.map((line) => line.length))).toBe(60);
    const all = (await show([busy()], { watch: false })).trimEnd().split('\n').length;
    expect(lines.at(-2)).toBe(`… and ${all - 10} more lines`);
    expect(lines[0]).toBe('Slicewise 0.1.0 serves this node.');
  });
});

describe('without a terminal', () => {
  it('--watch writes one table below the other', async () => {
    const shown = await show([busy(), busy()], { watch: true });
    expect(shown.split('\n\nSlicewise 0.1.0')).toHaveLength(2);
    expect(shown).not.toContain('\u001b');
  });

  it.each([
    [false, 'one document', 1],
    [true, 'one line each', 2],
  ])('json with watch %s: %s', async (watch, _, documents) => {
    const { terminal, close } = fakeTerminal();
    const print = jsonPrinter(terminal.stdout, watch);
    for (let each = 0; each < documents; each += 1) print(busy());
    const { stdout } = await close();
    const texts = watch ? stdout.trimEnd().split('\n') : [stdout];
    expect(texts.map((text) => JSON.parse(text) as unknown)).toEqual(Array(documents).fill(busy()));
  });
});
