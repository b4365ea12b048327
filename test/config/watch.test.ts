import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { watchConfigFile, type ConfigReading } from '../../src/config/watch.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';

let folder = '';
let stop = new AbortController();
let readings: AsyncGenerator<ConfigReading, void, void>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sw-cfg-'));
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort();
  await readings.return();
  await rm(folder, { recursive: true, force: true });
});

/** The next reading: its text, or the first words of its error. */
async function next(): Promise<string> {
  const { value } = await readings.next();
  if (value === undefined) return 'ended';
  return 'text' in value ? value.text : value.error.message.replaceAll(folder, '').split(',')[0]!;
}

// The poll is far off, so that what arrives has come by a notification; 'by the poll alone' turns that round.
function start(path: string, pollMs = 3_600_000): void {
  readings = watchConfigFile(path, { clock: systemClock, pollMs, settleMs: 20, goneMs: 60 }, stop.signal);
}

test('the content at once, then each change', async () => {
  const path = join(folder, 'c.yaml');
  await writeFile(path, 'one');
  start(path);
  expect(await next()).toBe('one');
  const second = next();
  await writeFile(path, 'two');
  expect(await second).toBe('two');
});

test('a file that is touched, or replaced by the same content, is no change', async () => {
  const path = join(folder, 'c.yaml');
  await writeFile(path, 'one');
  start(path, 30);
  expect(await next()).toBe('one');
  const second = next();
  await utimes(path, new Date(), new Date());
  await writeFile(join(folder, 'new'), 'one');
  await rename(join(folder, 'new'), path);
  await systemClock.sleep(150);
  await writeFile(path, 'two');
  expect(await second).toBe('two');
});

test('a file that comes later, goes, and comes back with the same content', async () => {
  const path = join(folder, 'c.yaml');
  start(path);
  const missing = 'cannot read the config file /c.yaml: ENOENT: no such file or directory';
  expect(await next()).toBe(missing);
  let pending = next();
  await writeFile(path, 'one');
  expect(await pending).toBe('one');
  pending = next();
  await rm(path);
  expect(await pending).toBe(missing);
  pending = next();
  await writeFile(path, 'one');
  expect(await pending).toBe('one');
});

describe('how long the content must have stayed', () => {
  const clock = new ManualClock();
  let path = '';
  let yielded: string[] = [];

  beforeEach(async () => {
    path = join(folder, 'c.yaml');
    await writeFile(path, 'one');
    readings = watchConfigFile(path, { clock, pollMs: 100 }, stop.signal);
    expect(await next()).toBe('one');
    const later: string[] = [];
    yielded = later;
    void next().then((content) => later.push(content));
  });

  /** Moves time on in steps, each after the watch has read the file and sleeps again. */
  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0 && yielded.length === 0; left -= 100) {
      await asleep();
      await clock.advance(100);
    }
    await asleep();
  }

  async function asleep(): Promise<void> {
    await vi.waitFor(() => expect(yielded.length > 0 || clock.sleeping === 1).toBe(true), 5000);
  }

  const ways: [string, string, () => Promise<void>][] = [
    ['an empty file', '', () => writeFile(path, '')],
    ['a file of white space', ' \n\n', () => writeFile(path, ' \n\n')],
    [
      'a missing file',
      'cannot read the config file /c.yaml: ENOENT: no such file or directory',
      () => rm(path),
    ],
  ];

  test.each(ways)('%s counts after 5 s', async (_name, content, go) => {
    await go();
    await pass(4900);
    expect(yielded).toEqual([]);
    await pass(1000);
    expect(yielded).toEqual([content]);
  });

  test.each(ways)('%s that is filled before that was never there', async (_name, _content, go) => {
    await go();
    await pass(4500);
    await writeFile(path, 'two');
    await pass(1000);
    expect(yielded).toEqual(['two']);
  });

  test('a file that is now empty, now missing is nothing all the while', async () => {
    for (let round = 0; round < 4; round += 1) {
      await writeFile(path, '');
      await pass(700);
      await rm(path);
      await pass(500);
    }
    expect(yielded).toEqual([]);
    await pass(1000);
    expect(yielded).toEqual([expect.stringContaining('ENOENT')]);
  });

  test('a file that gets its old content back is no change, and being empty later starts anew', async () => {
    await writeFile(path, '');
    await pass(4500);
    await writeFile(path, 'one');
    await pass(1000);
    await writeFile(path, '');
    await pass(4500);
    expect(yielded).toEqual([]);
  });

  test('content that grows counts when it has stayed for 200 ms', async () => {
    for (let length = 1; length <= 10; length += 1) {
      await writeFile(path, 'two'.repeat(length));
      await pass(100);
    }
    expect(yielded).toEqual([]);
    await pass(600);
    expect(yielded).toEqual(['two'.repeat(10)]);
  });
});

test("a ConfigMap's swap of links", async () => {
  for (const version of ['one', 'two']) {
    await mkdir(join(folder, `..${version}`));
    await writeFile(join(folder, `..${version}`, 'c.yaml'), version);
  }
  await symlink('..one', join(folder, '..data'));
  await symlink('..data/c.yaml', join(folder, 'c.yaml'));
  start(join(folder, 'c.yaml'));
  expect(await next()).toBe('one');
  const pending = next();
  await symlink('..two', join(folder, '..data_tmp'));
  await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  await rm(join(folder, '..one'), { recursive: true });
  expect(await pending).toBe('two');
});

describe('by the poll alone', () => {
  test('a link to a file in another folder', async () => {
    await mkdir(join(folder, 'far'));
    await mkdir(join(folder, 'near'));
    await writeFile(join(folder, 'far', 'c.yaml'), 'one');
    await symlink(join(folder, 'far', 'c.yaml'), join(folder, 'near', 'c.yaml'));
    start(join(folder, 'near', 'c.yaml'), 30);
    expect(await next()).toBe('one');
    const pending = next();
    await writeFile(join(folder, 'far', 'c.yaml'), 'two');
    expect(await pending).toBe('two');
  });

  test('a folder that is not there yet, and one that is made anew', async () => {
    const path = join(folder, 'd', 'c.yaml');
    start(path, 30);
    expect(await next()).toContain('ENOENT');
    let pending = next();
    await mkdir(join(folder, 'd'));
    await writeFile(path, 'one');
    expect(await pending).toBe('one');
    await rm(join(folder, 'd'), { recursive: true });
    await mkdir(join(folder, 'd'));
    pending = next();
    await writeFile(path, 'two');
    expect(await pending).toBe('two');
  });
});

describe('what is no file', () => {
  test('a folder', async () => {
    start(folder);
    expect(await next()).toContain('it is no regular file');
  });

  test('/dev/null is an empty file', async () => {
    await symlink('/dev/null', join(folder, 'c.yaml'));
    start(join(folder, 'c.yaml'));
    expect(await next()).toBe('');
  });

  test('a file of more than a MiB', async () => {
    const path = join(folder, 'c.yaml');
    await writeFile(path, 'x'.repeat(1024 * 1024 + 1));
    start(path);
    expect(await next()).toContain('it has 1048577 bytes');
  });
});

test('the loop ends quietly when it is told to', async () => {
  start(join(folder, 'c.yaml'));
  await next();
  const pending = next();
  stop.abort();
  expect(await pending).toBe('ended');
});
