import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { arch, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createNvmlDriver } from '../../src/inventory/nvml/client.ts';
import type { Snapshot } from '../../src/inventory/gpu.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { compileAgainstHeader, mustSkip } from '../support/nvml-header.ts';
import { standInLibrary, thisProgram } from '../support/nvml-library.ts';
import { within } from '../support/nvml-node.ts';

const standIn = await standInLibrary();
const skip = mustSkip(standIn, 'the test of driver libraries old, wrong and missing');
const standInPath = 'path' in standIn ? standIn.path : '';

describe.skipIf(skip)('finding the driver library', () => {
  test.each([
    'usr/lib64',
    'usr/lib/x86_64-linux-gnu',
    'usr/lib/aarch64-linux-gnu',
    'lib64',
    'lib/x86_64-linux-gnu',
    'lib/aarch64-linux-gnu',
  ])('in %s under the driver root', (place) =>
    inFolder(async (root) => {
      const path = join(root, place, 'libnvidia-ml.so.1');
      await mkdir(dirname(path), { recursive: true });
      await symlink(standInPath, path);
      expect((await read(null, root)).gpus).toHaveLength(8);
    }),
  );

  test('an unfit file is passed over, a fit one further on is taken', () =>
    inFolder(async (root) => {
      const [unfit, fit] = ['usr/lib64', 'lib64'].map((place) => join(root, place, 'libnvidia-ml.so.1'));
      for (const path of [unfit, fit]) await mkdir(dirname(path ?? ''), { recursive: true });
      await writeFile(unfit ?? '', 'GROUP ( libnvidia-ml.so.590 )');
      await symlink(standInPath, fit ?? '');
      expect((await read(null, root)).gpus).toHaveLength(8);
    }));

  test('where there is none, every place is named', () =>
    inFolder(async (root) => {
      const failure = await failureOf(read(null, root));
      expect(failure.code).toBe('no-driver');
      expect(failure.message.split('\n')).toEqual([
        'The NVIDIA driver library cannot be loaded. Tried:',
        `  ${root}/usr/lib64/libnvidia-ml.so.1: no such file`,
        `  ${root}/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1: no such file`,
        `  ${root}/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1: no such file`,
        `  ${root}/lib64/libnvidia-ml.so.1: no such file`,
        `  ${root}/lib/x86_64-linux-gnu/libnvidia-ml.so.1: no such file`,
        `  ${root}/lib/aarch64-linux-gnu/libnvidia-ml.so.1: no such file`,
        expect.stringMatching(/^ {2}libnvidia-ml\.so\.1: .*cannot open shared object file/),
        expect.stringContaining('Is the NVIDIA driver installed'),
      ]);
    }));

  test('a named library is the only candidate', () =>
    inFolder(async (root) => {
      const path = join(root, 'nothing.so');
      const failure = await failureOf(read(path, '/'));
      expect(failure).toMatchObject({ code: 'no-driver' });
      expect(failure.message.split('\n')).toHaveLength(3);
      expect(failure.message).toContain(`${path}: no such file`);
    }));

  test.each([
    {
      what: 'a text',
      content: async () => Buffer.from('hello'),
      says: 'not a shared library (no ELF header)',
    },
    {
      what: 'a library of another architecture',
      content: async () => withMachine(await readFile(standInPath), arch() === 'arm64' ? 62 : 183),
      says: `built for ${arch() === 'arm64' ? 'x64' : 'arm64'}, but this machine is ${arch()}`,
    },
    {
      what: 'a 32-bit library',
      content: async () => {
        const bytes = await readFile(standInPath);
        bytes[4] = 1;
        return bytes;
      },
      says: 'a 32-bit library',
    },
  ])('$what is refused with the reason', ({ content, says }) =>
    inFolder(async (root) => {
      const path = join(root, 'wrong.so');
      await writeFile(path, await content());
      const failure = await failureOf(read(path, '/'));
      expect(failure.code).toBe('no-driver');
      expect(failure.message).toMatch(says);
      expect(failure.message).toContain(path);
    }),
  );

  test('half a library, as an installation under way leaves it, costs a helper and no more', () =>
    inFolder(async (root) => {
      const path = join(root, 'half.so');
      await writeFile(path, (await readFile(standInPath)).subarray(0, 3_000));
      expect(await failureOf(read(path, '/'))).toMatchObject({
        code: 'driver-failed',
        message: expect.stringContaining('SIGBUS while loading and initialising the driver library'),
      });
    }));

  test('a library that is not NVML is refused with the reason', () =>
    inFolder(async (root) => {
      const source = join(root, 'other.c');
      await writeFile(source, 'int something_else(void);\nint something_else(void) { return 1; }\n');
      const other = await compileAgainstHeader('libother.so', [source], ['-shared', '-fPIC']);
      const failure = await failureOf(read('path' in other ? other.path : '', '/'));
      expect(failure.message).toContain('a library, but not NVML (it has no nvmlInit)');
    }));
});

describe.skipIf(skip)('an old driver library', () => {
  test('answers through the older version of each call', () =>
    within(
      'gpu 0 used 100',
      async ({ driver }) => {
        const [gpu] = (await driver.snapshot()).gpus;
        expect(gpu).toMatchObject({
          error: null,
          pciBusId: '00000000:1b:00.0',
          memoryTotalMiB: 81559,
          // Version 1 counts what is reserved as used.
          memoryReservedMiB: null,
          memoryUsedMiB: 651,
        });
      },
      {
        without: [
          'nvmlInit_v2',
          'nvmlDeviceGetCount_v2',
          'nvmlDeviceGetHandleByIndex_v2',
          'nvmlDeviceGetPciInfo_v3',
          'nvmlDeviceGetMemoryInfo_v2',
          'nvmlSystemGetCudaDriverVersion_v2',
        ],
      },
    ));

  test('leaves null what it has no call for', () =>
    within(
      'gpu * mig on',
      async ({ driver }) => {
        const { gpus, cudaVersion } = await driver.snapshot();
        expect(gpus).toHaveLength(8);
        expect(gpus[0]).toMatchObject({ error: null, mig: null, numaNode: null, architecture: null });
        expect(gpus[0]?.links[0]).toMatchObject({ pcie: null, nvlinks: 0, nvswitchLinks: 0 });
        expect(cudaVersion).toBe('13.1');
      },
      {
        without: [
          'nvmlDeviceGetMigMode',
          'nvmlDeviceGetNumaNodeId',
          'nvmlDeviceGetArchitecture',
          'nvmlDeviceGetTopologyCommonAncestor',
          'nvmlDeviceGetNvLinkState',
        ],
      },
    ));
});

describe.skipIf(skip)('what a GPU is joined to', () => {
  test('NVLinks straight, through a switch, inactive and none', () =>
    within(
      [
        'gpus 4',
        'links * 4',
        'link 0 0 gpu 1',
        'link 0 1 gpu 1',
        'link 1 0 gpu 0',
        'link 1 2 gpu 0',
        'link 0 2 switch 00000000:05:00.0',
        'link 0 3 switch 00000000:06:00.0',
        'link 2 0 switch 00000000:05:00.0',
        'links 3 0',
        'topology 0 1 0',
        'topology 0 2 20',
        'topology 0 3 30',
        'topology 2 3 10',
      ].join('\n'),
      async ({ driver }) => {
        const { gpus } = await driver.snapshot();
        const table = gpus.map(({ links }) =>
          links.map(({ toUuid, nvlinks, nvswitchLinks, pcie }) => [
            gpus.findIndex(({ uuid }) => uuid === toUuid),
            nvlinks,
            nvswitchLinks,
            pcie,
          ]),
        );
        expect(table).toEqual([
          [
            [1, 2, 0, 'same-board'],
            [2, 0, 1, 'several-switches'],
            [3, 0, 0, 'host-bridge'],
          ],
          [
            [0, 2, 0, 'same-board'],
            [2, 0, 0, 'same-numa-node'],
            [3, 0, 0, 'same-numa-node'],
          ],
          [
            [0, 0, 1, 'several-switches'],
            [1, 0, 0, 'same-numa-node'],
            [3, 0, 0, 'one-switch'],
          ],
          [
            [0, 0, 0, 'host-bridge'],
            [1, 0, 0, 'same-numa-node'],
            [2, 0, 0, 'one-switch'],
          ],
        ]);
      },
    ));

  test('MIG mode, with the one after the next reset; NUMA node as the driver says it', () =>
    within('gpu 1 mig on\ngpu 2 mig-pending on\ngpu 3 mig none\ngpu 1 numa 2', async ({ driver }) => {
      const { gpus } = await driver.snapshot();
      expect(gpus.slice(0, 4).map(({ mig, numaNode }) => [mig, numaNode])).toEqual([
        [{ current: false, pending: false }, null],
        [{ current: true, pending: true }, 2],
        [{ current: false, pending: true }, null],
        [null, null],
      ]);
    }));

  test('links are asked for once, and again for another set of GPUs', () =>
    within('', async ({ driver, scenario }) => {
      const before = await driver.snapshot();
      await scenario('topology 0 1 10');
      expect(await driver.snapshot()).toEqual(before);
      await scenario('topology 0 1 10\nfault * 7 return 15');
      expect((await driver.snapshot()).gpus[0]?.links[0]?.pcie).toBe('one-switch');
    }));
});

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sw-lib-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function read(library: string | null, driverRoot: string): Promise<Snapshot> {
  await using driver = createNvmlDriver(
    { library, driverRoot, self: thisProgram },
    { log: silentLog(), clock: systemClock },
  );
  return await driver.snapshot();
}

async function failureOf(reading: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await reading;
  } catch (thrown) {
    return thrown as { code: string; message: string };
  }
  throw new Error('the library was taken');
}

function withMachine(library: Buffer, machine: number): Buffer {
  library.writeUInt16LE(machine, 18);
  return library;
}
