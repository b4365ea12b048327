import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeptEntry } from '../../src/allocation/holdings/kept-holdings.ts';
import { mustSkip } from '../support/nvml-header.ts';
import { encodeState, readState, writeState, type KeptState } from '../../src/state/state-file.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sw-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const entry: KeptEntry = {
  owner: { podUid: 'uid', container: 'main' },
  resource: 'nvidia.com/gpu-memory',
  deviceIds: ['m0', 'm1'],
  record: '{"version":1,"gpus":[{"uuid":"GPU-a","mib":2048}]}',
  shown: { namespace: 'ns', pod: 'p', container: 'main' },
};
const state: KeptState = {
  bootId: '11111111-1111-4111-8111-111111111111',
  gpus: [{ uuid: 'GPU-a', index: 0 }],
  holdings: {
    kubelet: '1:2:3',
    orphans: [{ ...entry, owner: null, record: null, gpus: ['GPU-a'] }],
    booked: [{ ...entry, shown: null }],
  },
};
const text = encodeState(state);
const root = process.getuid?.() === 0 ? { path: '/' } : { missing: 'giving a folder away needs root' };
const always = (): boolean => true;

async function write(content: string, mode = 0o600): Promise<void> {
  await writeFile(join(folder, 'state.json'), content);
  await chmod(join(folder, 'state.json'), mode);
}

describe('the state file', () => {
  it('reads what it wrote, in a folder of its own', async () => {
    const own = join(folder, 'a', 'b');
    await writeState(own, text, always);
    expect(await readState(own)).toEqual({ kind: 'state', state });
    expect((await stat(own)).mode & 0o777).toBe(0o700);
    expect((await stat(join(own, 'state.json'))).mode & 0o777).toBe(0o600);
    expect(await readdir(own)).toEqual(['state.json']);
  });

  it('says the same of what it read', async () => {
    await writeState(folder, text, always);
    const reading = await readState(folder);
    expect(reading.kind === 'state' && encodeState(reading.state)).toBe(text);
  });

  it('leaves alone what a later version says beside', async () => {
    await write(text.replaceAll('"owner"', '"x":1,"owner"').replace('"version"', '"y":2,"version"'));
    expect(await readState(folder)).toEqual({ kind: 'state', state });
  });

  it('is replaced as a whole, past what a crash has left', async () => {
    await write('old');
    const half = join(folder, '.state.json.left');
    await writeFile(half, 'half');
    await utimes(half, 0, Date.now() / 1000 - 3600);
    expect(await writeState(folder, text, always)).toBe(true);
    expect(await readFile(join(folder, 'state.json'), 'utf8')).toBe(text);
    expect(await readdir(folder)).toEqual(['state.json']);
  });

  it('stays as it was when it belongs to someone else by now', async () => {
    await write('of the successor');
    expect(await writeState(folder, text, () => false)).toBe(false);
    expect(await readFile(join(folder, 'state.json'), 'utf8')).toBe('of the successor');
    expect(await readdir(folder)).toEqual(['state.json']);
  });

  it('is replaced by one of two writers, and leaves what the other one is writing', async () => {
    const others = ['.state.json.now', '.other.json.left'];
    for (const name of others) await writeFile(join(folder, name), 'half');
    await utimes(join(folder, '.other.json.left'), 0, 0);
    const texts = [text, encodeState({ ...state, gpus: [] })];
    await Promise.all(texts.map((each) => writeState(folder, each, always)));
    expect(texts).toContain(await readFile(join(folder, 'state.json'), 'utf8'));
    expect((await readdir(folder)).toSorted()).toEqual([...others, 'state.json'].toSorted());
  });

  it('never writes through a link', async () => {
    const aim = join(folder, 'aim');
    await writeFile(aim, 'precious');
    await symlink(aim, join(folder, 'state.json'));
    await writeState(folder, text, always);
    expect(await readFile(aim, 'utf8')).toBe('precious');
    expect((await lstat(join(folder, 'state.json'))).isFile()).toBe(true);
  });

  it('is absent where there is no folder', async () => {
    expect(await readState(join(folder, 'none'))).toEqual({ kind: 'absent' });
    expect(await readState(folder)).toEqual({ kind: 'absent' });
  });

  it.each<[string, () => Promise<void>, string]>([
    ['no JSON', () => write('{"version": 1'), 'it is no JSON'],
    ['cut off', () => write(text.slice(0, -20)), 'it is no JSON'],
    ['empty', () => write(''), 'it is no JSON'],
    ['a newer version', () => write(text.replace('"version":1', '"version":2')), 'its format is 2'],
    ['no version', () => write('{}'), 'version'],
    ['another shape', () => write(text.replace('"m0"', '0')), 'holdings.orphans.0.deviceIds.0'],
    ['huge', () => write(' '.repeat(8 * 1024 * 1024 + 1)), 'more than 8388608'],
    ['a file that all may write to', () => write(text, 0o666), 'others may write to it'],
    ['a file that its group may write to', () => write(text, 0o660), 'others may write to it'],
    ['a folder', () => mkdir(join(folder, 'state.json')), 'it is no plain file'],
    [
      'a link to a good one',
      async () => {
        await writeState(join(folder, 'other'), text, always);
        await symlink(join(folder, 'other/state.json'), join(folder, 'state.json'));
      },
      'it is a link',
    ],
  ])('cannot be used: %s', async (_, prepare, reason) => {
    await prepare();
    const reading = await readState(folder);
    expect(reading).toMatchObject({ kind: 'unusable', reason: expect.stringContaining(reason) as string });
    expect(JSON.stringify(reading).length).toBeLessThan(500);
  });

  it.skipIf(mustSkip(root, 'the test of a state folder of another user'))(
    'is not believed in a folder of another user, nor written there, nor a file of theirs',
    async () => {
      await writeState(folder, text, always);
      await chown(join(folder, 'state.json'), 4242, 4242);
      expect(await readState(folder)).toMatchObject({
        kind: 'unusable',
        reason: expect.stringContaining('it belongs to user 4242') as string,
      });
      await writeState(folder, text, always);
      expect((await readState(folder)).kind).toBe('state');
      await chown(folder, 4242, 4242);
      expect(await readState(folder)).toMatchObject({
        kind: 'unusable',
        reason: expect.stringContaining(`${folder} belongs to user 4242`) as string,
      });
      await expect(writeState(folder, text, always)).rejects.toThrow(`chown 0 ${folder}`);
    },
  );

  it('is not believed in a folder that others may write to', async () => {
    await writeState(folder, text, always);
    await chmod(folder, 0o777);
    expect(await readState(folder)).toMatchObject({
      kind: 'unusable',
      reason: expect.stringContaining('chmod go-w') as string,
    });
  });

  it.each<[string, (path: string) => Promise<void>, string]>([
    ['a folder that others may write to', (path) => mkdir(path).then(() => chmod(path, 0o777)), 'chmod go-w'],
    ['a link', (path) => symlink(folder, path), 'link'],
    ['a file', (path) => writeFile(path, ''), 'EEXIST'],
  ])('is not written into %s', async (_, prepare, reason) => {
    const own = join(folder, 'own');
    await prepare(own);
    await expect(writeState(own, text, always)).rejects.toThrow(reason);
  });

  it('is not written when nobody would read it again', async () => {
    await expect(writeState(folder, 'x'.repeat(8 * 1024 * 1024 + 1), always)).rejects.toThrow('more to keep');
    expect(await readdir(folder)).toEqual([]);
  });
});
