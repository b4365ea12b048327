import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readBootId } from '../../src/state/boot-id.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sw-'));
  await mkdir(join(folder, 'sys/kernel/random'), { recursive: true });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('is what the kernel says', async () => {
  await writeFile(join(folder, 'sys/kernel/random/boot_id'), '3f1f2a34-9b1c-4c55-9d6e-0a8b7c6d5e4f\n');
  expect(await readBootId(folder)).toBe('3f1f2a34-9b1c-4c55-9d6e-0a8b7c6d5e4f');
});

it('is an error where there is none', async () => {
  await expect(readBootId(folder)).rejects.toThrow('sys/kernel/random/boot_id cannot be read');
  await writeFile(join(folder, 'sys/kernel/random/boot_id'), 'yesterday\n');
  await expect(readBootId(folder)).rejects.toThrow('holds no boot id: "yesterday"');
});
