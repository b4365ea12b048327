import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chooseDriver } from '../../src/inventory/auto-driver.ts';
import { DriverError, type Driver, type DriverEvent } from '../../src/inventory/driver.ts';
import { unknownSigns, type GpuSigns } from '../../src/inventory/gpu-signs.ts';
import type { Snapshot } from '../../src/inventory/gpu.ts';
import { openDriver, type DriverOptions } from '../../src/inventory/open-driver.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { Latest } from '../../src/lib/latest.ts';
import { silentLog } from '../../src/lib/log.ts';
import { writeProgram, writeReplayProgram } from '../support/smi-replay.ts';

const mainScript = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** A driver that does as it is told. */
class ToldDriver implements Driver {
  answer: DriverError | null;
  asked = 0;
  closed = false;
  readonly event = new Latest<string | null>(null);
  readonly #driverVersion: string;

  constructor(driverVersion: string, answer: DriverError | null) {
    this.#driverVersion = driverVersion;
    this.answer = answer;
  }

  async snapshot(): Promise<Snapshot> {
    this.asked += 1;
    if (this.answer !== null) throw this.answer;
    return { driver: 'smi', driverVersion: this.#driverVersion, cudaVersion: null, gpus: [], unreadable: [] };
  }

  async signs(): Promise<readonly GpuSigns[]> {
    return [{ ...unknownSigns(this.#driverVersion), unmonitored: 'told' }];
  }

  async *events(signal: AbortSignal): AsyncGenerator<DriverEvent, void, void> {
    for await (const reason of this.event.values(signal))
      if (reason !== null) yield { kind: 'inventory-changed', reason };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
  }
}

const absent = (): DriverError => new DriverError('no-driver', 'it is absent');
const failing = (): DriverError => new DriverError('driver-failed', 'it fails');

describe('auto', () => {
  let opened: string[];
  let nvml: ToldDriver;
  let smi: ToldDriver;
  let driver: Driver;

  beforeEach(() => {
    opened = [];
    nvml = new ToldDriver('nvml', null);
    smi = new ToldDriver('smi', null);
    const choice = (name: string, told: () => ToldDriver) => ({
      name,
      open: () => {
        opened.push(name);
        return told();
      },
    });
    driver = chooseDriver([choice('nvml', () => nvml), choice('smi', () => smi)], silentLog());
  });

  async function ask(): Promise<string | null> {
    try {
      return (await driver.snapshot()).driverVersion;
    } catch (error) {
      return (error as DriverError).code;
    }
  }

  test('the first that answers is kept; the second is not even opened', async () => {
    expect([await ask(), await ask()]).toEqual(['nvml', 'nvml']);
    expect(opened).toEqual(['nvml']);
  });

  test('the second takes over where there is no first, and stays though the first comes', async () => {
    nvml.answer = absent();
    expect(await ask()).toBe('smi');
    expect(nvml.closed).toBe(true);
    nvml.answer = null;
    expect(await ask()).toBe('smi');
    expect(smi.asked).toBe(2);
  });

  test('neither: both reasons, and what appears later is found', async () => {
    nvml.answer = absent();
    smi.answer = absent();
    await expect(driver.snapshot()).rejects.toMatchObject({
      name: 'DriverError',
      code: 'no-driver',
      message: 'No way to the GPUs answers.\nnvml: it is absent\nsmi: it is absent',
    });
    smi.answer = failing();
    expect(await ask()).toBe('driver-failed');
    expect(opened).toEqual(['nvml', 'smi']);
    nvml.answer = null;
    expect(await ask()).toBe('nvml');
  });

  test('the one that answered may fail twice; at the third failure the others are asked', async () => {
    expect(await ask()).toBe('nvml');
    nvml.answer = failing();
    expect([await ask(), await ask()]).toEqual(['driver-failed', 'driver-failed']);
    expect(smi.asked).toBe(0);
    expect(await ask()).toBe('smi');
  });

  test('an answer in between starts the count anew', async () => {
    expect(await ask()).toBe('nvml');
    for (let round = 0; round < 4; round += 1) {
      nvml.answer = failing();
      expect([await ask(), await ask()]).toEqual(['driver-failed', 'driver-failed']);
      nvml.answer = null;
      expect(await ask()).toBe('nvml');
    }
    expect(smi.asked).toBe(0);
  });

  test('a driver that is gone is left at once', async () => {
    expect(await ask()).toBe('nvml');
    nvml.answer = absent();
    expect(await ask()).toBe('smi');
  });

  test('events come from the driver in use, whichever it is', async () => {
    const controller = new AbortController();
    const reasons: string[] = [];
    const end = (async () => {
      for await (const event of driver.events(controller.signal))
        reasons.push('reason' in event ? event.reason : event.kind);
    })();
    nvml.event.set('nobody listens yet');
    nvml.answer = absent();
    await driver.snapshot();
    smi.event.set('smi tells');
    await expect.poll(() => reasons).toEqual(['smi tells']);
    smi.answer = absent();
    nvml.answer = null;
    nvml.event.set(null);
    await driver.snapshot();
    nvml.event.set('nvml tells');
    smi.event.set('late');
    await expect.poll(() => reasons).toEqual(['smi tells', 'nvml tells']);
    controller.abort();
    await end;
  });

  test('how GPUs are is asked of the driver in use, and is an error while there is none', async () => {
    const nobody = { code: 'driver-failed', message: expect.stringMatching(/^no way to the GPUs answers/) };
    await expect(driver.signs()).rejects.toMatchObject(nobody);
    await ask();
    expect(await driver.signs()).toMatchObject([{ uuid: 'nvml' }]);
    nvml.answer = failing();
    smi.answer = failing();
    expect([await ask(), await ask()]).toEqual(['driver-failed', 'driver-failed']);
    expect(await driver.signs()).toMatchObject([{ uuid: 'nvml' }]);
    expect(await ask()).toBe('driver-failed');
    await expect(driver.signs()).rejects.toMatchObject(nobody);
    nvml.answer = null;
    expect(await ask()).toBe('nvml');
    expect(await driver.signs()).toMatchObject([{ uuid: 'nvml' }]);
  });

  test('closing closes what is open and refuses later calls', async () => {
    await ask();
    await driver[Symbol.asyncDispose]();
    expect(nvml.closed).toBe(true);
  });
});

describe('openDriver', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'open-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  function open(options: Partial<DriverOptions>): Driver {
    const self = { executable: process.execPath, script: mainScript, options: [] };
    const paths = {
      driverRoot: folder,
      containerDriverRoot: join(folder, 'ctr'),
      sysfsRoot: join(folder, 'sys'),
      procfsRoot: join(folder, 'proc'),
      kernelLog: null,
    };
    const nothing = { scenario: null, nvmlLibrary: null, nvidiaSmi: join(folder, 'no-smi') };
    return openDriver(
      { strategy: 'auto', ...nothing, ...paths, self, ...options },
      { log: pino({ level: 'silent' }), clock: systemClock },
    );
  }

  test('a scenario takes the place of real GPUs, and only there', async () => {
    await using driver = open({ scenario: 'a100x8' });
    expect(await driver.snapshot()).toMatchObject({ driver: 'simulated', gpus: { length: 8 } });
    await using real = open({ strategy: 'smi', scenario: 'a100x8' });
    await expect(real.snapshot()).rejects.toMatchObject({ code: 'no-driver' });
  });

  test('simulated without a scenario says what to give', () => {
    expect(() => open({ strategy: 'simulated' })).toThrow(/needs a scenario; give --scenario/);
  });

  test('smi under the root of the driver, with the NUMA node from the kernel', async () => {
    await mkdir(join(folder, 'ctr/usr/bin'), { recursive: true });
    await writeReplayProgram(join(folder, 'ctr/usr/bin'), 'h100');
    await mkdir(join(folder, 'sys/bus/pci/devices/0000:00:09.0'), { recursive: true });
    await writeFile(join(folder, 'sys/bus/pci/devices/0000:00:09.0/numa_node'), '1\n');
    await mkdir(join(folder, 'sys/devices/system/node/node1'), { recursive: true });
    await writeFile(join(folder, 'sys/devices/system/node/node1/cpulist'), '0-19\n');
    await using driver = open({ strategy: 'smi', nvidiaSmi: null });
    const { gpus } = await driver.snapshot();
    expect(gpus).toMatchObject([{ name: 'NVIDIA H100 80GB HBM3', numaNode: 1 }]);
  });

  test('MIG instances that nvidia-smi tells have the device nodes that the kernel driver tells', async () => {
    const program = await writeReplayProgram(folder, 'h100-mig');
    await mkdir(join(folder, 'proc/driver/nvidia-caps'), { recursive: true });
    const table =
      'gpu0/gi2/access 21\ngpu0/gi2/ci0/access 22\ngpu0/gi3/access 30\ngpu0/gi9/access 84\ngpu0/gi9/ci0/access 85\n';
    await writeFile(join(folder, 'proc/driver/nvidia-caps/mig-minors'), table);
    await using driver = open({ strategy: 'smi', nvidiaSmi: program });
    const [gpu] = (await driver.snapshot()).gpus;
    expect(gpu).toMatchObject({ minor: 0, error: null });
    expect(gpu?.migInstances.map(({ capabilityNodes }) => capabilityNodes)).toEqual([
      ['/dev/nvidia-caps/nvidia-cap21', '/dev/nvidia-caps/nvidia-cap22'],
      [],
      ['/dev/nvidia-caps/nvidia-cap84', '/dev/nvidia-caps/nvidia-cap85'],
      [],
    ]);
  });

  test('auto without a library and without a program, then with a program', async () => {
    await using driver = open({
      nvmlLibrary: join(folder, 'libnvidia-ml.so.1'),
      nvidiaSmi: join(folder, 'nvidia-smi'),
    });
    await expect(driver.snapshot()).rejects.toThrow(
      /^No way to the GPUs answers\.\nnvml: .*\nsmi: nvidia-smi is nowhere/s,
    );
    await writeReplayProgram(folder, 'rtx-2080-super');
    expect(await driver.snapshot()).toMatchObject({ driver: 'smi', gpus: [{ architecture: 'turing' }] });
  });

  test('a GPU that hides its UUID stays who it was', async () => {
    const path = join(folder, 'node.yaml');
    await writeFile(path, 'gpus: [{model: t4, count: 3}]\n');
    await using driver = open({ scenario: path });
    const before = await driver.snapshot();
    await writeFile(path, 'gpus: [{model: t4, count: 3}]\noverrides: [{gpu: 1, state: unreadable}]\n');
    const after = await driver.snapshot();
    expect(after.unreadable).toEqual([]);
    expect(after.gpus.map(({ uuid }) => uuid)).toEqual(before.gpus.map(({ uuid }) => uuid));
    expect(after.gpus.map(({ error }) => error)).toEqual([null, 'GPU is lost', null]);
  });

  test('a program named by the operator is the only one', async () => {
    await mkdir(join(folder, 'usr/bin'), { recursive: true });
    await writeProgram(join(folder, 'usr/bin'), 'echo nothing of use');
    await using driver = open({ strategy: 'smi', nvidiaSmi: join(folder, 'typo') });
    await expect(driver.snapshot()).rejects.toThrow(/tried \S*typo\)/);
  });
});
