import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { keepVerdicts, recallVerdicts } from '../../../src/app/health/keep-verdicts.ts';
import { emptyNode, type Node } from '../../../src/app/node.ts';
import { askAcknowledgement } from '../../../src/state/acknowledgements.ts';
import { otherUuid, signs, uuid, xid } from '../../health/health-steps.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { shortFolder } from '../../support/short-folder.ts';

const boots = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'] as const;
const patience = { timeout: 45_000, interval: 5 };

/** A machine on which agents come and go. */
async function openMachine() {
  const folder = await shortFolder();
  const clock = new ManualClock();
  const { log, lines } = recordingLog();
  const stateDir = join(folder, 'state');
  const bootIdPath = join(folder, 'proc/sys/kernel/random/boot_id');
  await mkdir(join(bootIdPath, '..'), { recursive: true });
  const boot = (at: 0 | 1) => writeFile(bootIdPath, boots[at]);
  await boot(0);
  const lock = { isHeld: true };
  const deps = { stateDir, procfsRoot: join(folder, 'proc'), clock, log, holdsLock: () => lock.isHeld };
  /** An agent that serves until it is stopped. */
  const serve = async () => {
    const node = emptyNode(clock);
    await recallVerdicts(node, deps);
    const stop = new AbortController();
    const running = keepVerdicts(node, deps, stop.signal).catch(() => undefined);
    const end = async () => {
      stop.abort();
      await running;
    };
    onTestFinished(end);
    return { node, end };
  };
  const path = join(stateDir, 'health.json');
  const file = () => readFile(path, 'utf8').catch(() => null);
  const until = (isSo: () => boolean | Promise<boolean>): Promise<void> =>
    vi.waitFor(async () => {
      await clock.advance(100);
      expect(await isSo()).toBe(true);
    }, patience);
  /** Time goes on, and files that are being written are there. */
  const passes = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    await delay(50);
  };
  const said = (level: string) => lines.filter((line) => line.level === level).map(({ msg }) => msg);
  return { boot, serve, file, until, passes, said, lock, path, stateDir };
}

const stateOf = ({ health }: Node) => health.verdicts.value.gpus.get(uuid)?.state;

it('holds against a GPU what an agent before did, and says so once', async () => {
  const { serve, until, file, said } = await openMachine();
  const first = await serve();
  first.node.health.learn(signs());
  first.node.health.learn(xid(79));
  await until(async () => (await file())?.includes('xid-79') === true);
  await first.end();
  const second = await serve();
  expect(stateOf(second.node)).toBe('unhealthy');
  second.node.health.learn(signs());
  expect(stateOf(second.node)).toBe('unhealthy');
  expect(said('info')).toEqual(['GPUs that were out before the agent was restarted stay out']);
});

it('lets a GPU back after a reboot, when the driver wants nothing more', async () => {
  const { serve, until, file, boot, said } = await openMachine();
  const first = await serve();
  first.node.health.learn(xid(79));
  await until(async () => (await file())?.includes('xid-79') === true);
  await first.end();
  await boot(1);
  const second = await serve();
  expect(stateOf(second.node)).toBe('unhealthy');
  second.node.health.learn(signs());
  expect(stateOf(second.node)).toBe('healthy');
  await until(async () => (await file())?.includes('xid-79') === false);
  expect(said('info')).toEqual([
    'the node was rebooted: GPUs that were out come back when the driver wants nothing more',
  ]);
});

it('forgets the GPUs of another node whose state folder this one has', async () => {
  const { serve, until, file, boot } = await openMachine();
  const first = await serve();
  first.node.health.learn(xid(79, null, 'GPU-of-another-node'));
  first.node.health.learn(xid(79));
  await until(async () => (await file())?.includes('GPU-of-another-node') === true);
  await first.end();
  await boot(1);
  const second = await serve();
  second.node.health.learn(signs({ recoveryAction: 'reset' }));
  expect([...second.node.health.verdicts.value.gpus.keys()]).toEqual([uuid]);
  expect(stateOf(second.node)).toBe('unhealthy');
  await until(async () => (await file())?.includes('GPU-of-another-node') === false);
  expect(await file()).toContain('xid-79');
});

it('writes at the end what was not written yet, and nothing once another one serves', async () => {
  const { serve, file, lock } = await openMachine();
  const first = await serve();
  first.node.health.learn(xid(79));
  await first.end();
  expect(await file()).toContain('xid-79');
  const second = await serve();
  lock.isHeld = false;
  second.node.health.learn(xid(95));
  await second.end();
  expect(await file()).not.toContain('xid-95');
});

it('does not write for each fault of a storm', async () => {
  const { serve, until, passes, file } = await openMachine();
  const { node } = await serve();
  node.health.learn(xid(79));
  await until(async () => (await file())?.includes('xid-79') === true);
  const before = await file();
  for (let count = 0; count < 5; count += 1) {
    node.health.learn(xid(79));
    await passes(1500);
  }
  expect(await file()).toBe(before);
});

it('writes a fault at once that is new or graver, however short ago it wrote, and waits with one that is neither', async () => {
  const { serve, until, passes, file } = await openMachine();
  const { node } = await serve();
  node.health.learn(xid(95));
  await until(async () => (await file())?.includes('xid-95') === true);
  const later = async (text: string) => {
    await vi.waitFor(async () => expect(await file()).toContain(text), patience);
  };
  // No time goes by from here on.
  node.health.learn(xid(95, null, otherUuid));
  await later(otherUuid);
  node.health.learn(xid(79));
  await later('xid-79');
  const before = await file();
  node.health.learn(xid(64));
  node.health.learn(xid(13, null, 'GPU-third'));
  await passes(0);
  expect(await file()).toBe(before);
  await passes(1000);
  await later('xid-64');
});

it('writes a fault at once beside a wish of the driver that is over by itself', async () => {
  const { serve, until, file } = await openMachine();
  const { node } = await serve();
  node.health.learn(signs({ recoveryAction: 'drain-p2p' }));
  await until(async () => (await file())?.includes('drain-p2p') === true);
  // No time goes by from here on.
  node.health.learn(xid(95));
  await vi.waitFor(async () => expect(await file()).toContain('xid-95'), patience);
});

it('tries again for a fault that is new, and for nothing else, however short ago it could not write', async () => {
  const { serve, until, passes, file, said, stateDir } = await openMachine();
  const { node } = await serve();
  await writeFile(stateDir, 'no folder');
  node.health.learn(xid(95));
  await until(() => said('warn').length > 0);
  await rm(stateDir);
  node.health.learn(xid(13));
  await passes(0);
  expect(await file()).toBeNull();
  // No time goes by from here on.
  node.health.learn(xid(95, null, otherUuid));
  await vi.waitFor(async () => expect(await file()).toContain(otherUuid), patience);
});

it('writes only so often in haste, whatever happens', async () => {
  const { serve, passes, until, file, path } = await openMachine();
  const { node } = await serve();
  let writes = 0;
  let last = 0;
  for (let gpu = 0; gpu < 60; gpu += 1) {
    node.health.learn(xid(79, null, `GPU-${gpu}`));
    await passes(0);
    const { ino } = await stat(path).catch(() => ({ ino: 0 }));
    if (ino !== last) writes += 1;
    last = ino;
  }
  expect(writes).toBeGreaterThan(1);
  expect(writes).toBeLessThan(40);
  await until(async () => (await file())?.includes('GPU-59') === true);
});

it.each([
  ['is nonsense', 'nonsense', 'it is no JSON'],
  [
    'is of another version',
    '{"version":2,"gpus":[]}',
    'its format is 2, and this version of the agent reads 1',
  ],
])('begins anew, and says so once, where the file %s', async (_, content, why) => {
  const { serve, said, path, stateDir, until, file } = await openMachine();
  await mkdir(stateDir, { mode: 0o700 });
  await writeFile(path, content, { mode: 0o600 });
  const { node } = await serve();
  expect(stateOf(node)).toBeUndefined();
  expect(said('warn')).toEqual([expect.stringContaining(`is lost: ${path} cannot be used: ${why}`)]);
  node.health.learn(xid(79));
  await until(async () => (await file())?.includes('xid-79') === true);
});

it("takes an admin's word for what the admin has seen, and writes it down", async () => {
  const { serve, until, file, stateDir, said } = await openMachine();
  const { node } = await serve();
  node.health.learn(xid(79));
  node.health.learn(xid(95));
  await until(async () => (await file())?.includes('xid-95') === true);
  const isWaiting = await askAcknowledgement(stateDir, uuid, ['xid-79']);
  await until(async () => !(await isWaiting()));
  expect(stateOf(node)).toBe('unhealthy');
  expect(said('warn')).toEqual([expect.stringContaining('there is more by now (XID 95')]);
  const isStillWaiting = await askAcknowledgement(stateDir, uuid, ['xid-79', 'xid-95']);
  await until(async () => !(await isStillWaiting()));
  expect(stateOf(node)).toBe('healthy');
  expect(await file()).not.toContain('xid-95');
});
