import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { isDriverAbsent } from '../../../src/inventory/nvml/find-library.ts';

test.each([
  ['nothing', [], null, true],
  ['a library in a usual folder', ['root/usr/lib64/libnvidia-ml.so.1'], null, false],
  ['a library elsewhere', ['root/opt/libnvidia-ml.so.1'], null, true],
  ['a kernel driver, so that the loader may know more', ['proc/driver/nvidia/version'], null, false],
  ['the named library', ['own.so'], 'own.so', false],
  [
    'another than the named library',
    ['root/lib64/libnvidia-ml.so.1', 'proc/driver/nvidia/version'],
    'own.so',
    true,
  ],
])('where there is %s', async (_what, files, library, absent) => {
  const folder = await mkdtemp(join(tmpdir(), 'lib-'));
  try {
    for (const file of files) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), '');
    }
    const named = library === null ? null : join(folder, library);
    expect(isDriverAbsent(named, join(folder, 'root'), join(folder, 'proc'))).toBe(absent);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
