import { rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Standby } from '../../src/kubelet/standby.ts';
import { Successors, successionSocket } from '../../src/kubelet/successors.ts';
import { silentLog } from '../../src/lib/log.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { shortFolder } from '../support/short-folder.ts';

const patience = { timeout: 10_000 };
const never = new AbortController().signal;

async function serving(folder: string): Promise<Successors> {
  const successors = new Successors(folder, silentLog());
  onTestFinished(() => successors[Symbol.dispose]());
  await successors.keepListening();
  return successors;
}

/** Where each of some resources is served. */
function at(...resources: string[]): ReadonlyMap<string, string> {
  return new Map(resources.map((resource) => [resource, `slicewise-${resource.slice(-1)}-01.sock`]));
}

/** An agent that stands by on a clock that stands still: only the line can wake it. */
function standingBy(folder: string) {
  const clock = new ManualClock();
  const standby = new Standby(folder, clock);
  onTestFinished(() => standby[Symbol.dispose]());
  return { clock, standby };
}

describe('an agent that stands by', () => {
  it('is known to the one that serves when it has said what it could serve, early or late', async () => {
    const folder = await shortFolder();
    const successors = await serving(folder);
    const { standby } = standingBy(folder);
    void standby.untilFree(never);
    await settle();
    expect(successors.ready).toBeNull();
    standby.ready(['a.com/x', 'a.com/y']);
    await expect.poll(() => successors.ready?.resources, patience).toEqual(['a.com/x', 'a.com/y']);
  });

  it('is woken when it is told that the lock is free', async () => {
    const folder = await shortFolder();
    const successors = await serving(folder);
    const { standby, clock } = standingBy(folder);
    standby.ready(['a.com/x']);
    const woken = standby.untilFree(never);
    await expect.poll(() => successors.ready, patience).not.toBeNull();
    successors.ready?.tell();
    await woken;
    expect(clock.sleeping).toBe(0);
  });

  it('is woken when the one that serves ends, and says the same to the next one', async () => {
    const folder = await shortFolder();
    const first = await serving(folder);
    const { standby } = standingBy(folder);
    standby.ready(['a.com/x']);
    const woken = standby.untilFree(never);
    await expect.poll(() => first.ready, patience).not.toBeNull();
    first[Symbol.dispose]();
    await woken;
    const second = await serving(folder);
    void standby.untilFree(never);
    await expect.poll(() => second.ready?.resources, patience).toEqual(['a.com/x']);
  });

  it('looks again soon when nobody can be asked, and later when somebody can', async () => {
    const folder = await shortFolder();
    const { standby, clock } = standingBy(folder);
    const alone = standby.untilFree(never);
    await expect.poll(() => clock.sleeping, patience).toBe(1);
    await clock.advance(20);
    await alone;
    await serving(folder);
    let ended = false;
    void standby.untilFree(never).then(() => (ended = true));
    await expect.poll(() => clock.sleeping, patience).toBe(1);
    await clock.advance(999);
    expect(ended).toBe(false);
    await clock.advance(1);
    expect(ended).toBe(true);
  });

  it('stops waiting when it is told to end', async () => {
    const folder = await shortFolder();
    await serving(folder);
    const { standby, clock } = standingBy(folder);
    const stop = new AbortController();
    const waiting = standby.untilFree(stop.signal);
    await expect.poll(() => clock.sleeping, patience).toBe(1);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    expect(clock.sleeping).toBe(0);
  });
});

describe('an agent that leaves', () => {
  it.for<[string, boolean, (standby: Standby) => void]>([
    ['learns that its successor is registered', true, (standby) => standby.serving(at('a.com/y', 'a.com/x'))],
    ['learns that its successor has ended', false, (standby) => standby[Symbol.dispose]()],
  ])('%s', async ([, expected, act]) => {
    const folder = await shortFolder();
    const successors = await serving(folder);
    const { standby } = standingBy(folder);
    standby.ready(['a.com/x', 'a.com/y']);
    void standby.untilFree(never);
    await expect.poll(() => successors.ready, patience).not.toBeNull();
    const done = successors.ready?.untilServing(['a.com/x', 'a.com/y'], never);
    standby.serving(at('a.com/x'));
    await settle();
    act(standby);
    expect(await done).toBe(expected);
  });

  it('learns on which socket its successor answers, unless that is no name of an agent', async () => {
    const folder = await shortFolder();
    const successors = await serving(folder);
    const { standby } = standingBy(folder);
    standby.ready(['a.com/x', 'a.com/y']);
    void standby.untilFree(never);
    await expect.poll(() => successors.ready, patience).not.toBeNull();
    const { ready } = successors;
    expect(ready?.endpointOf('a.com/x')).toBeNull();
    standby.serving(new Map([...at('a.com/x'), ['a.com/y', '../slicewise-y.sock']]));
    await ready?.untilServing(['a.com/x', 'a.com/y'], never);
    expect(ready?.endpointOf('a.com/x')).toBe('slicewise-x-01.sock');
    expect(ready?.endpointOf('a.com/y')).toBeNull();
  });

  it('does not wait for ever', async () => {
    const folder = await shortFolder();
    const successors = await serving(folder);
    const { standby } = standingBy(folder);
    standby.ready(['a.com/x']);
    void standby.untilFree(never);
    await expect.poll(() => successors.ready, patience).not.toBeNull();
    expect(await successors.ready?.untilServing(['a.com/x'], AbortSignal.timeout(10))).toBe(false);
  });
});

describe('the socket of the one that serves', () => {
  it('is made anew when it was removed, as a kubelet does at its start', async () => {
    const folder = await shortFolder();
    const successors = await serving(folder);
    await rm(join(folder, successionSocket));
    await successors.keepListening();
    const { standby } = standingBy(folder);
    standby.ready(['a.com/x']);
    void standby.untilFree(never);
    await expect.poll(() => successors.ready?.resources, patience).toEqual(['a.com/x']);
  });

  it('drops whoever sends nonsense without end', async () => {
    const folder = await shortFolder();
    const successors = await serving(folder);
    const stranger = createConnection(join(folder, successionSocket));
    stranger.on('error', () => undefined);
    stranger.resume();
    stranger.write('x'.repeat(100_000));
    await new Promise((closed) => {
      stranger.once('close', closed);
    });
    expect(successors.ready).toBeNull();
  });
});
