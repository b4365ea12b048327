import { describe, expect, test } from 'vitest';
import { mustSkip } from '../support/nvml-header.ts';
import { standInLibrary } from '../support/nvml-library.ts';
import { within } from '../support/nvml-node.ts';

const skip = mustSkip(await standInLibrary(), 'the test of faults in the NVIDIA driver');

/** One GPU's fault marks that GPU; what takes the helper process down costs one reading. */
describe.skipIf(skip)('a sick driver', () => {
  const gone = 'the GPU has fallen off the bus or cannot be reached';

  test('a GPU that is lost at the start is unreadable, the others are listed', () =>
    within('fault * 3 return 15', async (node) => {
      const snapshot = await node.driver.snapshot();
      expect(snapshot.gpus.map(({ index }) => index)).toEqual([0, 1, 2, 4, 5, 6, 7]);
      expect(snapshot.gpus.every(({ error, links }) => error === null && links.length === 6)).toBe(true);
      expect(snapshot.unreadable).toEqual([
        { index: 3, pciBusId: null, error: expect.stringContaining(gone) },
      ]);
    }));

  test('a GPU that tells its UUID and nothing more is listed with its error', () =>
    within('fault nvmlDeviceGetMemoryInfo_v2 2 return 16', async (node) => {
      const { gpus } = await node.driver.snapshot();
      expect(gpus[2]).toMatchObject({ index: 2, memoryTotalMiB: null, links: [] });
      expect(gpus[2]?.error).toBe(
        'nvmlDeviceGetMemoryInfo_v2: the GPU must be reset before it can be used again (NVML error RESET_REQUIRED)',
      );
      expect(gpus.filter(({ error }) => error === null)).toHaveLength(7);
    }));

  test('a GPU that does not even tell its name keeps its PCI address', () =>
    within('fault nvmlDeviceGetName 2 return 15', async (node) => {
      const { gpus } = await node.driver.snapshot();
      expect(gpus[2]).toMatchObject({ index: 2, name: '', error: expect.stringContaining(gone) });
      expect(gpus[2]?.pciBusId).toMatch(/^[0-9a-f]{8}:[0-9a-f]{2}:00\.0$/);
    }));

  test('a GPU that is lost while running, and comes back', () =>
    within('', async (node) => {
      expect((await node.driver.snapshot()).gpus).toHaveLength(8);
      await node.scenario('fault nvmlDeviceGetHandleByIndex_v2 5 return 15');
      const lost = await node.driver.snapshot();
      expect(lost.unreadable.map(({ index }) => index)).toEqual([5]);
      expect(lost.gpus).toHaveLength(7);
      await node.scenario('');
      const back = await node.driver.snapshot();
      expect(back.unreadable).toEqual([]);
      expect(back.gpus[5]).toMatchObject({ error: null, index: 5 });
      expect(back.gpus[5]?.links).toHaveLength(7);
    }));

  test('a GPU that the kernel driver lists anew appears without a restart', () =>
    within('gpus 2', async (node) => {
      expect((await node.driver.snapshot()).gpus).toHaveLength(2);
      const helper = node.helper();
      await node.scenario('gpus 3');
      expect((await node.driver.snapshot()).gpus).toHaveLength(2);
      await node.listKernelGpu('0000:52:00.0');
      expect((await node.driver.snapshot()).gpus).toHaveLength(3);
      expect(node.helper()).toBe(helper);
    }));

  test('"not supported" and a missing permission are no faults', () =>
    within(
      [
        'fault nvmlDeviceGetMemoryInfo_v2 0 return 3',
        'fault nvmlDeviceGetMemoryInfo 0 return 3',
        'fault nvmlDeviceGetMigMode 0 return 4',
        'fault nvmlDeviceGetMinorNumber 0 return 3',
      ].join('\n'),
      async (node) => {
        const { gpus } = await node.driver.snapshot();
        expect(gpus[0]).toMatchObject({ error: null, memoryTotalMiB: null, mig: null, minor: null });
        expect(gpus[1]).toMatchObject({ error: null, memoryTotalMiB: 81559, minor: 1 });
      },
    ));

  test('a call that hangs fails the reading; the next one leaves its GPU alone', () =>
    within('fault nvmlDeviceGetName 6 hang', async (node) => {
      await expect(node.driver.snapshot()).rejects.toMatchObject({
        code: 'driver-failed',
        message: expect.stringMatching(/did not answer within 3 s while reading GPU 6\..*nvidia-smi -i 6/),
      });
      const hung = node.helper();
      const { gpus, unreadable } = await node.driver.snapshot();
      expect(gpus.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 7]);
      expect(unreadable).toEqual([
        { index: 6, pciBusId: null, error: expect.stringContaining('did not answer within 3 s') },
      ]);
      expect(node.helper()).not.toBe(hung);
      expect(await node.nextEvent()).toMatchObject({
        kind: 'driver-restarted',
        reason: expect.stringContaining('GPU 6'),
      });
    }));

  test('a crash fails the reading, names the signal, and the next reading works', () =>
    within('', async (node) => {
      const before = await node.driver.snapshot();
      await node.scenario('fault nvmlDeviceGetUUID 4 crash');
      const uuid = before.gpus[4]?.uuid ?? '';
      await expect(node.driver.snapshot()).rejects.toMatchObject({
        code: 'driver-failed',
        message: expect.stringMatching(new RegExp(`SIGSEGV while reading GPU 4 \\(${uuid}, .*dmesg`)),
      });
      expect(await node.nextEvent()).toMatchObject({
        kind: 'driver-restarted',
        reason: expect.stringContaining('SIGSEGV'),
      });
      await node.scenario('');
      expect(await node.driver.snapshot()).toEqual(before);
    }));

  test('a GPU that crashes the helper twice in a row is left alone', () =>
    within('fault nvmlDeviceGetUUID 0 crash', async (node) => {
      await expect(node.driver.snapshot()).rejects.toMatchObject({ code: 'driver-failed' });
      await expect(node.driver.snapshot()).rejects.toMatchObject({ code: 'driver-failed' });
      const { gpus, unreadable } = await node.driver.snapshot();
      expect(gpus).toHaveLength(7);
      expect(unreadable[0]?.error).toMatch(/crashed \(SIGSEGV\) each time this GPU was read/);
    }));

  test('a helper that dies while idle is told as an event and replaced', () =>
    within('', async (node) => {
      await node.driver.snapshot();
      node.killHelper('SIGKILL');
      expect(await node.nextEvent()).toMatchObject({
        kind: 'driver-restarted',
        reason: expect.stringMatching(/SIGKILL while it was idle.*out of memory/),
      });
      expect((await node.driver.snapshot()).gpus).toHaveLength(8);
    }));

  test('signals meant for the process group do not end the helper', () =>
    within('', async (node) => {
      await node.driver.snapshot();
      const helper = node.helper();
      node.killHelper('SIGTERM');
      node.killHelper('SIGINT');
      expect((await node.driver.snapshot()).gpus).toHaveLength(8);
      expect(node.helper()).toBe(helper);
    }));

  test('a slow start is waited for', () =>
    within('fault nvmlInit_v2 * slow 2000', async (node) => {
      expect((await node.driver.snapshot()).gpus).toHaveLength(8);
    }));

  test('a start that is too slow is given up', () =>
    within(
      'fault nvmlInit_v2 * hang',
      async (node) => {
        await expect(node.driver.snapshot()).rejects.toMatchObject({
          code: 'driver-failed',
          message: expect.stringContaining('within 1.5 s while loading and initialising the driver library'),
        });
      },
      { deadlines: { initMs: 1_500, firstTouchMs: 3_000, callMs: 3_000 } },
    ));

  test.each([
    { code: 9, error: 'no-driver', text: /the NVIDIA kernel driver is not loaded.*modprobe/ },
    { code: 18, error: 'driver-failed', text: /different versions.*reload the module or reboot/ },
    { code: 777, error: 'driver-failed', text: /Stand-in error 777/ },
  ])('a start that fails with code $code says why', ({ code, error, text }) =>
    within(`fault nvmlInit_v2 * return ${code}`, async (node) => {
      await expect(node.driver.snapshot()).rejects.toMatchObject({
        code: error,
        message: expect.stringMatching(text),
      });
      await node.scenario('');
      expect((await node.driver.snapshot()).gpus).toHaveLength(8);
    }),
  );

  test('disposing ends a call that hangs, at once', () =>
    within('fault nvmlDeviceGetCount_v2 * hang', async (node) => {
      const outcome = node.driver.snapshot().catch((thrown: unknown) => thrown);
      await node.stepTaken();
      const helper = node.helper();
      await node.driver[Symbol.asyncDispose]();
      expect(await outcome).toMatchObject({ name: 'AbortError' });
      await node.ended(helper);
      await expect(node.driver.snapshot()).rejects.toMatchObject({ name: 'AbortError' });
    }));

  test('the helper ends with a parent that is killed, also in the middle of a call', () =>
    within('', async (node) => {
      for (const scenario of ['', 'fault nvmlDeviceGetCount_v2 * hang']) {
        await node.scenario(scenario);
        const { parent, helper } = await node.startParent();
        parent.kill('SIGKILL');
        await node.ended(helper);
      }
    }));
});
