import { expect, test } from 'vitest';
import { DevFiles, devPlaces } from '../../src/cdi/dev-files.ts';

const inContainer = { seenAt: '/driver-root', onHost: '/run/nvidia/driver' };

test.each([
  [
    'in the driver container',
    inContainer.onHost,
    '/driver-root/dev/dri/card0',
    '/run/nvidia/driver/dev/dri/card0',
  ],
  [
    'in the folder of the same name',
    inContainer.onHost,
    '/run/nvidia/driver/dev/dri/card0',
    '/run/nvidia/driver/dev/dri/card0',
  ],
  ['in our own dev alone', inContainer.onHost, '/dev/dri/card0', '/dev/dri/card0'],
  ['in another device root', '/', '/dev/dri/card0', '/dev/dri/card0'],
  [
    'in the driver container, beside another device root',
    '/',
    '/driver-root/dev/dri/card0',
    '/run/nvidia/driver/dev/dri/card0',
  ],
])('a node %s', async (_name, devRoot, seen, hostPath) => {
  const dev = new DevFiles(devPlaces({ ...inContainer, devRoot }), async (path) => path === seen);
  expect(await dev.find('/dev/dri/card0')).toEqual({ hostPath, containerPath: '/dev/dri/card0' });
  expect(await dev.find('/dev/dri/card1')).toBeNull();
});

test('of several places the device root counts', async () => {
  const dev = new DevFiles(devPlaces({ ...inContainer, devRoot: '/' }), async () => true);
  expect(await dev.find('/dev/gdrdrv')).toMatchObject({ hostPath: '/dev/gdrdrv' });
});
