import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeNode } from '../../src/allocation/status/describe-node.ts';
import type { NodeStatus } from '../../src/allocation/status/node-status.ts';
import { describeHealth } from '../../src/app/health/health-status.ts';
import { runHealthCommand } from '../../src/cli/health.ts';
import { toKeep } from '../../src/health/kept-verdicts.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { readAcknowledgements, removeAcknowledgement } from '../../src/state/acknowledgements.ts';
import { writeVerdicts } from '../../src/state/verdict-file.ts';
import { serveStatus } from '../../src/status/serve-status.ts';
import { findStatusSockets, statusFolder } from '../../src/status/status-socket.ts';
import { History } from '../allocation/holdings/history.ts';
import { nodeFacts } from '../allocation/status/node-facts.ts';
import { ackAll, after, signs, uuid, wellSigns, xid } from '../health/health-steps.ts';
import { gpu, snapshotOf } from '../support/snapshots.ts';
import { shortFolder } from '../support/short-folder.ts';
import { fakeTerminal } from './fake-terminal.ts';

const second = gpu(1).uuid;
const third = gpu(2).uuid;
const sick = after(
  [
    signs({}, [
      wellSigns(second, { slowdowns: ['thermal'], unmonitored: 'no events' }),
      { ...wellSigns(third), lost: 'GPU is lost' },
    ]),
    xid(13),
    xid(79),
    xid(79),
    xid(95, { gpuInstanceId: 3, computeInstanceId: 0 }),
  ],
  { apartMs: 60_000, startMs: Date.parse('2026-11-23T02:00:00Z') },
);

function statusOf(verdicts: typeof sick, gpus = [gpu(0), gpu(1), gpu(2)]): NodeStatus {
  const snapshot = snapshotOf(gpus);
  return describeNode(nodeFacts(History.settled(), { snapshot, health: describeHealth(verdicts) }));
}

async function run(stateDir: string, ...args: readonly string[]) {
  const { terminal, close } = fakeTerminal();
  const code = await runHealthCommand([...args, '--state-dir', stateDir], terminal);
  return { code, ...(await close()) };
}

/** An agent whose status the test changes. */
async function serve(stateDir: string): Promise<{ status: NodeStatus }> {
  const served = { status: statusOf(sick) };
  const stop = new AbortController();
  const folder = statusFolder(stateDir);
  const deps = { status: () => served.status, clock: systemClock, log: silentLog() };
  const serving = serveStatus(folder, deps, stop.signal);
  while ((await findStatusSockets(folder).catch(() => [])).length === 0) await systemClock.sleep(5);
  onTestFinished(async () => {
    stop.abort();
    await serving;
  });
  return served;
}

describe('slicewise health', () => {
  it('says of each GPU how it is, since when and why, and what is to be done', async () => {
    const stateDir = await shortFolder();
    await serve(stateDir);
    const { code, stdout, stderr } = await run(stateDir);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await expect(stdout).toMatchFileSnapshot('../golden/health.txt');
  });

  it('says what was written down last where no agent answers', async () => {
    const stateDir = await shortFolder();
    const gpus = toKeep(sick, Date.now());
    await writeVerdicts(stateDir, { bootId: null, savedAt: 0, gpus }, () => true);
    const { code, stdout, stderr } = await run(stateDir, 'list', '--output', 'json');
    expect(code).toBe(1);
    expect(stderr).toContain('What follows was written down last.');
    expect(JSON.parse(stdout)).toMatchObject({
      isLive: false,
      gpus: [
        {
          index: null,
          uuid,
          state: 'unhealthy',
          findings: [
            { xid: 79, count: 2 },
            { xid: 95, migInstance: '3/0' },
          ],
        },
      ],
    });
  });

  it('says so where that cannot be read', async () => {
    const stateDir = await shortFolder();
    await writeFile(join(stateDir, 'health.json'), 'nonsense', { mode: 0o600 });
    const { code, stdout, stderr } = await run(stateDir);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('health.json cannot be used');
  });
});

describe('slicewise health ack', () => {
  it.each<[string, string, number, string]>([
    ['no GPU', '7', 2, 'there is no GPU 7; this node has 0 ('],
    ['one that is degraded', '1', 1, `there is nothing to acknowledge on ${second}: it is degraded`],
    ['one that is lost', third, 1, 'it does not answer, which no word can mend'],
  ])('refuses %s', async (_, which, code, reason) => {
    const stateDir = await shortFolder();
    await serve(stateDir);
    const refused = await run(stateDir, 'ack', which);
    expect(refused).toMatchObject({ code, stdout: '' });
    expect(refused.stderr).toContain(reason);
  });

  it.each([
    ['it counts', true],
    ['it does not', false],
  ])('names what was seen, and says whether the agent let the GPU back: %s', async (_, counts) => {
    const stateDir = await shortFolder();
    const served = await serve(stateDir);
    await mkdir(join(stateDir, 'health-ack'), { mode: 0o700 });
    const running = run(stateDir, 'ack', '0');
    let words = await readAcknowledgements(stateDir);
    while (words.length === 0) {
      await systemClock.sleep(5);
      words = await readAcknowledgements(stateDir);
    }
    expect(words).toEqual([{ gpu: uuid, keys: new Set(['xid-79', 'xid-95@3/0']) }]);
    if (counts) served.status = statusOf(after([ackAll], { from: sick }));
    await removeAcknowledgement(stateDir, uuid);
    expect(await running).toEqual(
      counts
        ? { code: 0, stdout: `${uuid}: healthy\n`, stderr: '' }
        : { code: 1, stdout: '', stderr: `slicewise: ${uuid} is still out; the agent's log says why\n` },
    );
  });
});

describe('a GPU that the driver names no more', () => {
  const others = [gpu(1), gpu(2)];

  it('is shown with what is held against it', async () => {
    const stateDir = await shortFolder();
    const served = await serve(stateDir);
    served.status = statusOf(sick, others);
    const { code, stdout } = await run(stateDir);
    expect(code).toBe(0);
    const [line, why, what] = stdout
      .split('\n')
      .slice(stdout.split('\n').findIndex((each) => each.includes(uuid)));
    expect(line).toMatch(/^ {2}- {2}GPU-.* unhealthy$/);
    expect(why).toBe('     the driver does not name it now');
    expect(what).toContain('XID 79');
  });

  it('is acknowledged by its UUID', async () => {
    const stateDir = await shortFolder();
    const served = await serve(stateDir);
    served.status = statusOf(sick, others);
    await mkdir(join(stateDir, 'health-ack'), { mode: 0o700 });
    const running = run(stateDir, 'ack', uuid);
    while ((await readAcknowledgements(stateDir)).length === 0) await systemClock.sleep(5);
    served.status = statusOf(after([ackAll], { from: sick }), others);
    await removeAcknowledgement(stateDir, uuid);
    const stdout = `${uuid}: nothing is held against it any more\n`;
    expect(await running).toEqual({ code: 0, stdout, stderr: '' });
  });
});

it('has nothing to tell of GPUs that were not asked', async () => {
  const stateDir = await shortFolder();
  const served = await serve(stateDir);
  served.status = statusOf(after([]));
  expect(await run(stateDir)).toEqual({ code: 0, stdout: 'The GPUs were not asked yet.\n', stderr: '' });
});
