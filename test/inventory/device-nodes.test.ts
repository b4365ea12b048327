import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readDeviceNodes } from '../../src/inventory/device-nodes.ts';

const probeOf = (...present: readonly string[]) => {
  const devices = new Set(present);
  return async (path: string): Promise<boolean> => devices.has(path);
};

test('the control nodes that exist, in a fixed order', async () => {
  const nodes = await readDeviceNodes('/', [], probeOf('/dev/nvidia-modeset', '/dev/nvidiactl'));
  expect(nodes.control).toEqual([
    { hostPath: '/dev/nvidiactl', containerPath: '/dev/nvidiactl' },
    { hostPath: '/dev/nvidia-modeset', containerPath: '/dev/nvidia-modeset' },
  ]);
  expect(nodes.imexChannels).toEqual([]);
});

test('a driver container: seen in our own /dev, named under the device root', async () => {
  const probe = probeOf('/dev/nvidiactl', '/run/nvidia/driver/dev/nvidia-uvm');
  const nodes = await readDeviceNodes('/run/nvidia/driver', [], probe);
  expect(nodes.control).toEqual([
    { hostPath: '/run/nvidia/driver/dev/nvidiactl', containerPath: '/dev/nvidiactl' },
    { hostPath: '/run/nvidia/driver/dev/nvidia-uvm', containerPath: '/dev/nvidia-uvm' },
  ]);
  expect(nodes.gpuNode(3)).toEqual({
    hostPath: '/run/nvidia/driver/dev/nvidia3',
    containerPath: '/dev/nvidia3',
  });
});

describe('IMEX channels', () => {
  const channel = (id: number): string => `/dev/nvidia-caps-imex-channels/channel${id}`;

  test.each([
    ['under the device root', [`/root${channel(0)}`], `/root${channel(0)}`],
    ['in our own /dev', [channel(0)], channel(0)],
    ['in both: the device root wins', [channel(0), `/root${channel(0)}`], `/root${channel(0)}`],
  ])('%s', async (_where, present, hostPath) => {
    const { imexChannels } = await readDeviceNodes('/root', [0], probeOf(...present));
    expect(imexChannels).toEqual([{ id: 0, hostPath, containerPath: channel(0) }]);
  });

  test('only those asked for that exist, in the order asked', async () => {
    const { imexChannels } = await readDeviceNodes(
      '/',
      [5, 1, 0],
      probeOf(channel(0), channel(2), channel(5)),
    );
    expect(imexChannels.map(({ id }) => id)).toEqual([5, 0]);
  });
});

test('a plain file is no device node', async () => {
  const root = await mkdtemp(join(tmpdir(), 'dev-'));
  try {
    await mkdir(join(root, 'dev'));
    await writeFile(join(root, 'dev/nvidiactl'), '');
    const { control } = await readDeviceNodes(root);
    expect(control.filter(({ containerPath }) => containerPath === '/dev/nvidiactl')).toEqual(
      (await readDeviceNodes('/nowhere')).control.filter(
        ({ containerPath }) => containerPath === '/dev/nvidiactl',
      ),
    );
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
