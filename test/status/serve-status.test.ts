import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeNode } from '../../src/allocation/status/describe-node.ts';
import type { NodeStatus } from '../../src/allocation/status/node-status.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { askStatus, askStatusOfAll, watchStatus } from '../../src/status/ask-status.ts';
import { serveStatus } from '../../src/status/serve-status.ts';
import { findStatusSockets, statusFolder } from '../../src/status/status-socket.ts';
import { bookedUnits, History, units } from '../allocation/holdings/history.ts';
import { nodeFacts } from '../allocation/status/node-facts.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recordingLog } from '../support/recording-log.ts';
import { shortFolder } from '../support/short-folder.ts';

const patienceMs = 45_000;
const idle = describeNode(nodeFacts(History.settled()));
const busy = describeNode(nodeFacts(History.settled(bookedUnits('p', units(0, 3), 'GPU-a'))));
const standby = { ...idle, agent: { version: '0.1.0', role: 'standby', reason: 'standing by' } } as const;

let base = '';
let folder = '';
beforeEach(async () => {
  base = await shortFolder();
  folder = statusFolder(join(base, 'state'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

/** An agent that answers on a socket in the folder, with what `say` says; disposing ends it. */
async function serve(say: () => NodeStatus = () => idle) {
  const stop = new AbortController();
  const { log, lines } = recordingLog();
  const before = new Set(await findStatusSockets(folder).catch(() => []));
  const served = serveStatus(folder, { status: say, clock: systemClock, log }, stop.signal);
  const end = async (): Promise<void> => {
    stop.abort();
    await served;
  };
  await until(
    async () =>
      lines.length > 0 || (await findStatusSockets(folder).catch(() => [])).some((path) => !before.has(path)),
  );
  const socket = (await findStatusSockets(folder).catch(() => [])).find((path) => !before.has(path)) ?? '';
  return { socket, lines, end, [Symbol.asyncDispose]: end };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('It did not come about in time');
    await delay(10);
  }
}

/** Everything that is answered to a text. */
async function send(socket: string, request: string | Buffer): Promise<string> {
  const connection = createConnection(socket);
  connection.on('error', () => undefined);
  connection.write(request);
  return text(connection);
}

async function openWatch(socket: string): Promise<Socket> {
  const connection = createConnection(socket);
  connection.on('error', () => undefined);
  connection.write('watch\n');
  await once(connection, 'readable');
  return connection;
}

describe('the status socket', () => {
  it('is for its owner alone, in a folder that is too', async () => {
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o755);
    await using agent = await serve();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    await until(() => (statSync(agent.socket).mode & 0o777) === 0o600);
    expect((await askStatus(folder)).status).toEqual(idle);
  });

  it('is not made in a folder that others may write to', async () => {
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o777);
    await using agent = await serve();
    expect(JSON.stringify(agent.lines)).toContain('chmod go-w');
    expect(await readdir(folder)).toEqual([]);
  });

  it('is not made through a link, whose aim stays as it was', async () => {
    const aim = join(base, 'aim');
    await mkdir(aim);
    await chmod(aim, 0o755);
    await mkdir(dirname(folder));
    await symlink(aim, folder);
    await using agent = await serve();
    expect(JSON.stringify(agent.lines)).toContain('link');
    expect(await readdir(aim)).toEqual([]);
    expect(statSync(aim).mode & 0o777).toBe(0o755);
  });

  it('goes with its agent, whoever is watching', async () => {
    const agent = await serve();
    const watching = await openWatch(agent.socket);
    const closed = once(watching, 'close');
    watching.resume();
    await agent.end();
    await closed;
    expect(await readdir(folder)).toEqual([]);
  });

  it('is made anew when somebody removes it', async () => {
    await using agent = await serve();
    await rm(folder, { recursive: true });
    await until(async () => (await askStatus(folder).catch(() => null)) !== null);
    expect(existsSync(agent.socket)).toBe(false);
    expect(agent.lines).toEqual([]);
  });

  it('takes the place of one that a killed agent left, and of no other', async () => {
    await mkdir(folder, { recursive: true });
    await leaveDead(join(folder, 'status-00000000.sock'));
    await writeFile(join(folder, 'notes.txt'), '');
    await using first = await serve();
    await using second = await serve();
    const names = [first.socket, second.socket, join(folder, 'notes.txt')];
    expect((await readdir(folder)).map((name) => join(folder, name)).toSorted()).toEqual(names.toSorted());
  });

  it('that cannot be made is said once, and is no reason to fail', async () => {
    await writeFile(join(base, 'state'), 'a file');
    const agent = await serve();
    expect(agent.lines.map(({ msg }) => msg)).toEqual([
      'slicewise status cannot be answered; GPUs are served all the same',
    ]);
    expect(JSON.stringify(agent.lines)).toMatch(/ENOTDIR|EEXIST/);
    await agent.end();
  });

  it('that cannot be made is not said again when it is tried again', async () => {
    await writeFile(join(base, 'state'), 'a file');
    const [clock, stop] = [new ManualClock(), new AbortController()];
    const { log, lines } = recordingLog();
    const served = serveStatus(folder, { status: () => idle, clock, log }, stop.signal);
    for (let turn = 0; turn < 3; turn += 1) {
      await until(() => clock.sleeping > 0);
      await clock.advance(30_000);
    }
    await until(() => clock.sleeping > 0);
    expect(lines).toHaveLength(1);
    stop.abort();
    await served;
  });

  it('with too long a path says what to do', async () => {
    folder = join(base, 'x'.repeat(100), 'run');
    await using agent = await serve();
    expect(JSON.stringify(agent.lines)).toContain('a shorter --state-dir is needed');
  });
});

describe('what is asked', () => {
  it.each<[string, string | Buffer]>([
    ['another word', 'holdings\n'],
    ['nothing', '\n'],
    ['a path', '../../etc/passwd\n'],
    ['a word without an end', 'x'.repeat(100_000)],
    ['no text', Buffer.alloc(5000, 255)],
    ['a property of every object', 'toString\n'],
  ])('%s is no request', async (_, request) => {
    await using agent = await serve();
    expect(JSON.parse(await send(agent.socket, request))).toEqual({
      error: 'the requests are: status, watch',
    });
    expect((await askStatus(folder)).status).toEqual(idle);
  });

  it('in pieces is put together', async () => {
    await using agent = await serve();
    const connection = createConnection(agent.socket);
    const answer = text(connection);
    for (const piece of ['sta', 'tus', '\n']) {
      connection.write(piece);
      await delay(20);
    }
    expect(JSON.parse(await answer)).toEqual(idle);
  });

  it('and fails costs the connection alone', async () => {
    let fails = true;
    await using agent = await serve(() => {
      if (fails) throw new Error('a fault of ours');
      return idle;
    });
    expect(await send(agent.socket, 'status\n')).toBe('');
    expect(await send(agent.socket, 'watch\n')).toBe('');
    expect(agent.lines.map(({ msg }) => msg)).toContain('slicewise status could not be answered');
    fails = false;
    expect((await askStatus(folder)).status).toEqual(idle);
  });
});

describe('watching', () => {
  it('tells each change once, and no mere passing of time', async () => {
    let status: NodeStatus = idle;
    let asked = 0;
    await using agent = await serve(() => {
      asked += 1;
      return { ...status, inventory: { ...status.inventory, ageSeconds: asked } };
    });
    const stop = new AbortController();
    const held: number[] = [];
    const watched = (async () => {
      for await (const each of watchStatus(agent.socket, stop.signal)) {
        held.push(each.memory?.heldUnits ?? -1);
      }
    })();
    await until(() => held.length === 1 && asked > 4);
    status = busy;
    await until(() => held.length === 2);
    const then = asked;
    await until(() => asked > then + 2);
    expect(held).toEqual([0, 3]);
    stop.abort();
    await watched;
    const after = asked;
    await delay(1200);
    expect(asked).toBe(after);
  });

  it('ends when the agent gets another part, so that another one can be asked', async () => {
    let status: NodeStatus = idle;
    await using agent = await serve(() => status);
    const roles: string[] = [];
    for await (const each of watchStatus(agent.socket, AbortSignal.timeout(patienceMs))) {
      roles.push(each.agent.role);
      status = standby;
    }
    expect(roles).toEqual(['serving']);
  });

  it('is for eight at a time', async () => {
    await using agent = await serve();
    const watchers = await Promise.all(Array.from({ length: 8 }, () => openWatch(agent.socket)));
    const ninth = watchStatus(agent.socket, AbortSignal.timeout(patienceMs));
    await expect(ninth.next()).rejects.toThrow('8 clients are watching already');
    expect((await askStatus(folder)).status).toEqual(idle);
    for (const watcher of watchers) watcher.destroy();
    await until(async () => {
      const again = watchStatus(agent.socket, AbortSignal.timeout(patienceMs));
      const isFree = await again.next().then(
        () => true,
        () => false,
      );
      await again.return();
      return isFree;
    });
  });

  it('does not pile up for a client that does not read', async () => {
    let turn = 0;
    const long = 'x'.repeat(1 << 20);
    await using agent = await serve(() => {
      turn += 1;
      return { ...idle, inventory: { ...idle.inventory, failure: `${turn} ${long}` } };
    });
    const connection = await openWatch(agent.socket);
    const from = turn;
    await until(() => turn >= from + 5);
    const told: number[] = [];
    let rest = '';
    connection.setEncoding('utf8');
    connection.on('data', (part: string) => {
      rest += part;
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines)
        told.push(Number.parseInt((JSON.parse(line) as NodeStatus).inventory.failure ?? '', 10));
    });
    await until(() => told.length >= 2);
    // The documents between the first and the newest were never written.
    expect((told[1] ?? 0) - (told[0] ?? 0)).toBeGreaterThan(3);
    connection.destroy();
  });
});

describe('which agent is asked', () => {
  it('is the one that serves', async () => {
    await using _ = await serve(() => standby);
    expect((await askStatus(folder)).status.agent.role).toBe('standby');
    await using serving = await serve(() => busy);
    expect(await askStatus(folder)).toEqual({ socket: serving.socket, status: busy });
  });

  it('is one of all, or of none where one that runs does not answer', async () => {
    await using serving = await serve();
    await leaveDead(join(folder, 'status-00000000.sock'));
    expect((await askStatusOfAll(folder))?.map(({ socket }) => socket)).toEqual([serving.socket]);
    const mute = createServer((connection) => connection.destroy());
    mute.listen(join(folder, 'status-11111111.sock'));
    await once(mute, 'listening');
    try {
      expect(await askStatusOfAll(folder)).toBeNull();
      expect((await askStatus(folder)).socket).toBe(serving.socket);
    } finally {
      mute.close();
      await once(mute, 'close');
    }
    expect(await askStatusOfAll(folder)).toHaveLength(1);
  });

  it('is none where there is no folder, nothing in it, or only what a killed one left', async () => {
    await expect(askStatus(folder)).rejects.toThrow(`there is no socket of one in ${folder}`);
    await mkdir(folder, { recursive: true });
    await expect(askStatus(folder)).rejects.toMatchObject({ code: 'no-agent' });
    await leaveDead(join(folder, 'status-00000000.sock'));
    await expect(askStatus(folder)).rejects.toThrow('status-00000000.sock any more');
  });

  it('has to answer in time', async () => {
    await mkdir(folder, { recursive: true });
    const path = join(folder, 'status-00000000.sock');
    const held: Socket[] = [];
    const hung = createServer((socket) => void held.push(socket)).listen(path);
    await once(hung, 'listening');
    await expect(askStatus(folder)).rejects.toThrow(`The agent at ${path} did not answer`);
    for (const socket of held) socket.destroy();
    hung.close();
  });

  it('is of this version', async () => {
    await using _ = await serve(() => ({ ...idle, format: 2 }) as unknown as NodeStatus);
    await expect(askStatus(folder)).rejects.toMatchObject({ code: 'other-version' });
  });
});

/** A socket file that nobody listens on, as a killed process leaves it. */
async function leaveDead(path: string): Promise<void> {
  const server = createServer();
  server.listen(`${path}.live`);
  await once(server, 'listening');
  await rename(`${path}.live`, path);
  server.close();
  await once(server, 'close');
}
