import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { mustSkip } from '../support/nvml-header.ts';
import { standInLibrary } from '../support/nvml-library.ts';
import { writeReplayProgram } from '../support/smi-replay.ts';
import { readUuids } from './support/capture-uuids.ts';
import { parsePrometheusText } from './support/prometheus-text.ts';
import { type RunningAgent, startRunningAgent } from './support/running-agent.ts';

const library = await standInLibrary();
const skip = mustSkip(library, 'the test of a driver library that is installed later');

/**
 * A node whose driver would be installed under `<folder>/driver`, and whose search path has no nvidia-smi. Nobody can say what its PCI
 * bus has.
 */
const bare = {
  args: (folder: string): readonly string[] => [
    '--nvidia-driver-root',
    join(folder, 'driver'),
    '--container-driver-root',
    join(folder, 'driver'),
    '--sysfs-root',
    join(folder, 'sys'),
  ],
  env: { PATH: '/nowhere' },
};

/** Ready with 0 devices, the reasons in the body, nothing registered, and still the first process. */
async function expectIdle(node: RunningAgent, reasons: readonly string[]): Promise<void> {
  const { body } = await node.waitForReadyz(200, ['0 devices: ', ...reasons]);
  expect(body.startsWith('ok\n')).toBe(true);
  expect(node.kubelet.events.map(({ kind }) => kind)).toEqual(['started']);
  expect(node.logged('the GPUs cannot be read')).toHaveLength(1);
  expect((await node.get('/livez')).status).toBe(200);
}

describe('a node without a driver', () => {
  test('is ready with 0 devices and says where it looked; nothing is registered', async () => {
    await using node = await startRunningAgent(bare);
    await expectIdle(node, [
      `nvml: The NVIDIA driver library cannot be loaded. Tried: ${node.folder}/driver/usr/lib64/libnvidia-ml.so.1: no such file`,
      'smi: nvidia-smi is nowhere (tried nvidia-smi, ',
      'or say where it is with --nvidia-smi',
    ]);
    // It goes on trying, and goes on being silent about it.
    const tries = async (): Promise<number | undefined> =>
      parsePrometheusText((await node.get('/metrics')).body).value(
        'slicewise_driver_snapshot_failures_total',
      );
    await node.poll(tries, (count) => (count ?? 0) >= 2, 'the second try');
    await expectIdle(node, []);
    expect(await node.stop()).toBe(0);
  });

  test('is not ready while its PCI bus has a GPU, and ready once it has none', async () => {
    const device = (folder: string): string => join(folder, 'sys/bus/pci/devices/0000:1b:00.0');
    await using node = await startRunningAgent({
      ...bare,
      async prepare(folder) {
        await mkdir(device(folder), { recursive: true });
        await writeFile(join(device(folder), 'vendor'), '0x10de\n');
        await writeFile(join(device(folder), 'class'), '0x030200\n');
      },
    });
    await node.waitForReadyz(503, [
      'inventory: this node has an NVIDIA GPU and no driver: ',
      'nvidia-smi is nowhere',
    ]);
    await rm(device(node.folder), { recursive: true });
    await node.waitForReadyz(200, ['0 devices: no NVIDIA GPU on this node']);
    expect(node.logged('there is no NVIDIA GPU on this node')).toHaveLength(1);
    expect(node.kubelet.events.map(({ kind }) => kind)).toEqual(['started']);
  });

  test('nvidia-smi that is put in place later is found without a restart', async () => {
    await using node = await startRunningAgent(bare);
    await expectIdle(node, []);
    const folder = node.path('driver/usr/bin');
    await mkdir(folder, { recursive: true });
    await writeReplayProgram(folder, 'h100');
    await node.waitForGpus(1);
    expect(Object.keys(node.listed())).toEqual(readUuids('h100'));
    expect(node.logged('slicewise agent starts')).toHaveLength(1);
    await node.waitForReadyz(200);
  });

  test.skipIf(skip)('a driver library that is put in place later is found without a restart', async () => {
    await using node = await startRunningAgent(bare);
    await expectIdle(node, []);
    await mkdir(node.path('driver/usr/lib64'), { recursive: true });
    await symlink('path' in library ? library.path : '', node.path('driver/usr/lib64/libnvidia-ml.so.1'));
    await node.waitForGpus(8);
    expect((await node.admit('pod', 8)).phase).toBe('Running');
    expect(node.logged('slicewise agent starts')).toHaveLength(1);
  });

  test('the GPUs of a driver that is uninstalled later are Unhealthy, and listed still', async () => {
    await using node = await startRunningAgent({
      ...bare,
      async prepare(folder) {
        await mkdir(join(folder, 'driver/usr/bin'), { recursive: true });
        await writeReplayProgram(join(folder, 'driver/usr/bin'), 'h100');
      },
    });
    await node.waitForGpus(1);
    await rm(node.path('driver'), { recursive: true });
    await node.waitForReadyz(200, ['the newest reading failed: ', 'nvidia-smi is nowhere']);
    await vi.waitFor(() => expect(Object.values(node.listed())).toEqual(['Unhealthy']), 20_000);
  });
});

describe('a file that is no driver library of this machine', () => {
  test.for([
    { what: 'a text file', content: 'GROUP ( libnvidia-ml.so.590 )', reason: 'not a shared library' },
    {
      what: 'one of another architecture',
      content: foreignLibrary(),
      reason: `but this machine is ${arch()}`,
    },
    { what: 'an empty file', content: '', reason: 'not a shared library' },
  ])('$what: said once with the reason, nothing is registered', async ({ content, reason }) => {
    await using node = await startRunningAgent({
      args: (folder) => [
        '--device-discovery-strategy',
        'nvml',
        '--nvml-library',
        join(folder, 'library.so'),
        '--sysfs-root',
        join(folder, 'sys'),
      ],
      prepare: (folder) => writeFile(join(folder, 'library.so'), content),
    });
    await expectIdle(node, [`${node.path('library.so')}: `, reason]);
  });
});

/** The head of an ELF file of the architecture that this machine is not. */
function foreignLibrary(): Buffer {
  const head = Buffer.alloc(64);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  head.writeUInt16LE(3, 16);
  head.writeUInt16LE(arch() === 'arm64' ? 62 : 183, 18);
  return head;
}
