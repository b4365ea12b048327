import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { keepState } from '../../../src/app/books/keep-state.ts';
import type { Node } from '../../../src/app/node.ts';
import { askRelease } from '../../../src/state/releases.ts';
import { readState } from '../../../src/state/state-file.ts';
import { settle } from '../../support/manual-clock.ts';
import { booked, bookedWhole, boots, gpus, held, openKeptNode, plan } from '../kept-node.ts';

const patience = { timeout: 45_000, interval: 5 };
const pod = booked('p', ['m0', 'm1']);
const other = booked('q', ['m5'], 1);

type KeptNode = Awaited<ReturnType<typeof openKeptNode>>;

/** Runs the task until the end of the test, or until it is stopped. */
function keep(on: KeptNode, node: Node): () => Promise<void> {
  const end = new AbortController();
  const keeping = keepState(node, on.deps, end.signal).catch(() => undefined);
  const stop = async (): Promise<void> => {
    end.abort();
    await keeping;
  };
  onTestFinished(stop);
  return stop;
}

function lose(node: Node, kubelet = 'second'): void {
  node.books.apply({ kind: 'kubelet-appeared', atMs: 0, kubelet, checkpoint: 'absent' });
}

async function kept(on: KeptNode) {
  const reading = await readState(on.deps.stateDir);
  if (reading.kind !== 'state') return reading.kind;
  const { holdings, bootId } = reading.state;
  const pods = (entries: typeof holdings.booked) => entries.map(({ owner }) => owner?.podUid);
  return {
    bootId,
    kubelet: holdings.kubelet,
    booked: pods(holdings.booked),
    orphans: pods(holdings.orphans),
  };
}

/** Lets time go by until it is so. */
async function until(on: KeptNode, isSo: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitFor(async () => {
    await on.clock.advance(1000);
    expect(await isSo()).toBe(true);
  }, patience);
}

describe('the state folder', () => {
  it('has what is booked, and what is orphaned', async () => {
    const on = await openKeptNode();
    const node = await on.begin([pod, other]);
    keep(on, node);
    await vi.waitFor(async () => {
      expect(await kept(on)).toEqual({ bootId: boots[0], kubelet: 'first', booked: ['p', 'q'], orphans: [] });
    }, patience);
    node.books.apply({ kind: 'kubelet-appeared', atMs: 0, kubelet: 'second', checkpoint: [other] });
    await until(on, async () => JSON.stringify(await kept(on)).includes('second'));
    expect(await kept(on)).toEqual({ bootId: boots[0], kubelet: 'second', booked: ['q'], orphans: ['p'] });
  });

  it('is what the next agent begins with', async () => {
    const on = await openKeptNode();
    const first = await on.begin([pod]);
    const stop = keep(on, first);
    await stop();
    expect(held(await on.begin([], 'second'))).toEqual(['p 0 orphan']);
    expect(held(await on.begin([pod], 'second'))).toEqual(['p 0']);
    expect(held(await on.begin([], 'first'))).toEqual([]);
    expect(on.said('warn').filter((text) => text.includes(gpus[0].uuid))).toHaveLength(1);
  });

  it('is nothing to the next boot', async () => {
    const on = await openKeptNode();
    const first = await on.begin([pod]);
    lose(first);
    await keep(on, first)();
    await on.boot(1);
    expect(held(await on.begin([], 'third'))).toEqual([]);
    expect(await kept(on)).toBe('absent');
    expect(on.said('info').filter((text) => text.startsWith('the node was rebooted'))).toHaveLength(1);
  });

  it('is not believed when it cannot be read, and written anew', async () => {
    const on = await openKeptNode();
    await keep(on, await on.begin([pod]))();
    await writeFile(join(on.deps.stateDir, 'state.json'), '{"version":');
    const second = await on.begin([other], 'second');
    expect(held(second)).toEqual(['q 1']);
    expect(on.said('warn').filter((text) => text.includes('no JSON'))).toHaveLength(1);
    await keep(on, second)();
    expect(await kept(on)).toMatchObject({ booked: ['q'] });
  });

  it('is not made where there is nothing to keep', async () => {
    const on = await openKeptNode();
    await keep(on, await on.begin([]))();
    await expect(stat(on.deps.stateDir)).rejects.toThrow('ENOENT');
  });

  it('is emptied when nothing is held any more', async () => {
    const on = await openKeptNode();
    const node = await on.begin([pod]);
    const stop = keep(on, node);
    await vi.waitFor(async () => expect(await kept(on)).toMatchObject({ booked: ['p'] }), patience);
    lose(node);
    node.books.apply({ kind: 'acknowledged', atMs: 0, gpu: gpus[0].uuid });
    await stop();
    expect(await kept(on)).toMatchObject({ booked: [], orphans: [] });
  });

  it('is left alone when nothing has changed', async () => {
    const on = await openKeptNode();
    await keep(on, await on.begin([pod]))();
    const path = join(on.deps.stateDir, 'state.json');
    const { ino, mtimeMs } = await stat(path);
    const node = await on.begin([pod]);
    const stop = keep(on, node);
    for (let turn = 0; turn < 5; turn += 1) {
      node.books.apply({ kind: 'listed', atMs: on.clock.now(), containers: [] });
      await on.clock.advance(1000);
    }
    await stop();
    expect(await stat(path)).toMatchObject({ ino, mtimeMs });
  });

  it('is left alone until the node is planned', async () => {
    const on = await openKeptNode();
    const whole = bookedWhole('w');
    await keep(on, await on.begin([whole]))();
    const path = join(on.deps.stateDir, 'state.json');
    const { ino } = await stat(path);
    const node = await on.begin([whole], 'first', 'not planned');
    const stop = keep(on, node);
    await on.clock.advance(5000);
    await stop();
    expect(await stat(path)).toMatchObject({ ino });
    expect(await kept(on)).toMatchObject({ booked: ['w'] });
  });

  it('has what is lost before the node is planned', async () => {
    const on = await openKeptNode();
    const node = await on.begin([bookedWhole('w')], 'first', 'not planned');
    keep(on, node);
    lose(node);
    await on.clock.advance(5000);
    expect(await kept(on)).toBe('absent');
    plan(node, on.clock.now());
    expect(held(node)).toEqual(['w 0 orphan']);
    await until(on, async () => JSON.stringify(await kept(on)).includes('second'));
    expect(await kept(on)).toMatchObject({ booked: [], orphans: ['w'] });
  });

  it('is written once a second at most', async () => {
    const on = await openKeptNode();
    const node = await on.begin([pod]);
    keep(on, node);
    await vi.waitFor(async () => expect(await kept(on)).toMatchObject({ kubelet: 'first' }), patience);
    await vi.waitFor(() => expect(on.clock.sleeping).toBe(2), patience);
    for (const name of ['second', 'third', 'fourth']) {
      node.books.apply({ kind: 'kubelet-appeared', atMs: 0, kubelet: name, checkpoint: [pod] });
      await settle();
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await kept(on)).toMatchObject({ kubelet: 'first' });
    await until(on, async () => JSON.stringify(await kept(on)).includes('fourth'));
  });

  it('belongs to the successor from the end on', async () => {
    const on = await openKeptNode();
    const node = await on.begin([pod]);
    await keep(on, node)();
    lose(node);
    await on.clock.advance(5000);
    expect(await kept(on)).toMatchObject({ booked: ['p'], orphans: [] });
  });

  it('belongs to whoever has taken the lock, though this agent has not seen that yet', async () => {
    const on = await openKeptNode();
    const node = await on.begin([pod]);
    const stop = keep(on, node);
    await vi.waitFor(async () => expect(await kept(on)).toMatchObject({ kubelet: 'first' }), patience);
    on.lock.isHeld = false;
    lose(node);
    await on.clock.advance(5000);
    await stop();
    expect(await kept(on)).toMatchObject({ kubelet: 'first', booked: ['p'] });
    expect(node.stateTrouble.value).toBeNull();
  });

  it('holds up the end for no more than 200 ms, however slow it is', async () => {
    const on = await openKeptNode();
    const node = await on.begin([pod]);
    const end = new AbortController();
    let isAsked = false;
    const never = new Promise<never>(() => undefined);
    // A wait in the middle of a turn that no signal ends, as that for a disk is.
    const sleep = (ms: number, signal?: AbortSignal): Promise<void> => {
      isAsked ||= signal?.aborted === false && ms === 1000;
      return ms === 200 ? on.clock.sleep(ms, signal) : never;
    };
    const clock = { now: () => on.clock.now(), sleep };
    let hasEnded = false;
    const keeping = keepState(node, { ...on.deps, clock }, end.signal)
      .catch(() => undefined)
      .then(() => (hasEnded = true));
    await vi.waitFor(() => expect(isAsked).toBe(true), patience);
    end.abort();
    await on.clock.advance(199);
    expect(hasEnded).toBe(false);
    await on.clock.advance(1);
    await vi.waitFor(() => expect(hasEnded).toBe(true), patience);
    await keeping;
  });

  it('may be out of reach, which is said once and keeps nothing from going on', async () => {
    const on = await openKeptNode();
    await writeFile(on.deps.stateDir, 'a file in the place of the folder');
    const node = await on.begin([pod]);
    keep(on, node);
    await vi.waitFor(() => expect(node.stateTrouble.value).toContain('EEXIST'), patience);
    lose(node);
    await on.clock.advance(120_000);
    await settle();
    expect(held(node)).toEqual(['p 0 orphan']);
    expect(on.said('warn').filter((text) => text.includes('nothing can be kept'))).toHaveLength(1);
    await rm(on.deps.stateDir);
    await until(on, () => node.stateTrouble.value === null);
    expect(await kept(on)).toMatchObject({ orphans: ['p'] });
  });

  it('keeps nothing where the kernel does not say which boot this is', async () => {
    const on = await openKeptNode();
    await rm(join(on.folder, 'proc'), { recursive: true });
    const node = await on.begin([pod]);
    const stop = keep(on, node);
    await vi.waitFor(() => expect(node.stateTrouble.value).toContain('boot_id cannot be read'), patience);
    await stop();
    expect(await kept(on)).toBe('absent');
    expect(on.said('warn')).toHaveLength(1);
  });
});

describe("an admin's word", () => {
  async function orphaned() {
    const on = await openKeptNode();
    const node = await on.begin([pod, other]);
    keep(on, node);
    lose(node);
    await until(on, async () => JSON.stringify(await kept(on)).includes('"orphans":["p","q"]'));
    return { on, node, folder: on.deps.stateDir, uuid: gpus[0].uuid };
  }

  it('ends the orphans of a GPU, is written down, and goes', async () => {
    const { on, node, folder, uuid } = await orphaned();
    const isWaiting = await askRelease(folder, uuid, node.books.kept.orphans.slice(0, 1));
    await until(on, async () => !(await isWaiting()));
    expect(held(node)).toEqual(['q 1 orphan']);
    expect(await kept(on)).toMatchObject({ orphans: ['q'] });
    expect(on.said('info').filter((text) => text.includes('an admin has said so'))).toHaveLength(1);
  });

  it.each<[string, (on: Awaited<ReturnType<typeof orphaned>>) => Promise<unknown>, string]>([
    [
      'of an orphan that has another beside it by now',
      ({ folder, uuid, node }) => askRelease(folder, uuid, node.books.kept.orphans.slice(1)),
      'has lost others since',
    ],
    [
      'of a GPU that has none',
      ({ folder, node }) =>
        askRelease(folder, 'GPU-0000000a-0000-0000-0000-000000000000', node.books.kept.orphans),
      'has lost no container there',
    ],
    [
      'that cannot be read',
      async ({ folder, uuid }) => {
        await askRelease(folder, uuid, []);
        await chmod(join(folder, 'release', uuid), 0o666);
      },
      'others may write to it',
    ],
  ])('ends nothing: %s', async (_, say, reason) => {
    const at = await orphaned();
    await say(at);
    const said = (): number => at.on.said('warn').filter((text) => text.includes(reason)).length;
    await until(at.on, () => said() > 0);
    await at.on.clock.advance(5000);
    expect(held(at.node)).toEqual(['p 0 orphan', 'q 1 orphan']);
    expect(said()).toBe(1);
    const path = join(at.folder, 'release', at.uuid);
    await vi.waitFor(() => expect(readFile(path)).rejects.toThrow('ENOENT'), patience);
  });
});
