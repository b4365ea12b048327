import { chmod, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ownFolder, whyNotOurs } from '../../src/lib/own-folder.ts';
import { shortFolder } from '../support/short-folder.ts';

const folder = 0o040000;

describe('a folder is ours', () => {
  it.each<[uid: number, mode: number, ours: number, problem: ReturnType<typeof whyNotOurs>]>([
    [0, 0o700, 0, null],
    [0, 0o755, 0, null],
    [1000, 0o700, 1000, null],
    [0, 0o755, 1000, null],
    [1000, 0o700, 0, { kind: 'owner', owner: 1000, ours: 0 }],
    [1000, 0o777, 0, { kind: 'owner', owner: 1000, ours: 0 }],
    [1001, 0o700, 1000, { kind: 'owner', owner: 1001, ours: 1000 }],
    [0, 0o770, 0, { kind: 'mode' }],
    [0, 0o702, 0, { kind: 'mode' }],
    [0, 0o1777, 1000, { kind: 'mode' }],
  ])('of user %d with mode 0%o, to user %d', (uid, mode, ours, problem) => {
    expect(whyNotOurs({ uid, mode: folder | mode }, ours)).toEqual(problem);
  });

  it('when it was made here, whoever runs this', async () => {
    const made = join(await shortFolder(), 'a/b');
    await ownFolder(made);
    expect((await stat(made)).mode & 0o777).toBe(0o700);
    await ownFolder(made);
    await chmod(made, 0o775);
    await expect(ownFolder(made)).rejects.toThrow(`others may write to ${made}: chmod go-w ${made}`);
    const other = join(made, 'c');
    await mkdir(other);
    await ownFolder(other);
  });
});
