import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DriverError } from '../../../src/inventory/driver.ts';
import type { Snapshot } from '../../../src/inventory/gpu.ts';
import { readField, readPciBusId } from '../../../src/inventory/smi/fields.ts';
import { parseHandleFailures, saysNoDevices } from '../../../src/inventory/smi/handle-failures.ts';
import { parseList } from '../../../src/inventory/smi/list.ts';
import { toComputeCapabilities, toSnapshot } from '../../../src/inventory/smi/parse.ts';
import { parseQuery } from '../../../src/inventory/smi/query.ts';
import { parseTable } from '../../../src/inventory/smi/table.ts';
import { readCapture, type Capture } from '../../support/smi-replay.ts';

const maskedUuid = 'GPU-00000000-0000-0000-0000-000000000000';

function readSnapshot(capture: Capture): Snapshot {
  const { gpus, ...versions } = parseQuery(readCapture(capture, '-q'));
  const table = readCapture(capture, '--query-gpu=uuid,compute_cap', '--format=csv');
  return toSnapshot({
    ...versions,
    gpus: gpus.map((gpu, index) => ({ gpu, index })),
    failures: [],
    list: parseList(readCapture(capture, '-L')),
    computeCapabilities: toComputeCapabilities(parseTable(table)),
  });
}

/** Of an H100's instance: as many decoders and JPEG engines as copy engines. */
const engines = (multiprocessors: number, each: number) => ({
  multiprocessors,
  copy: each,
  decoder: each,
  encoder: 0,
  jpeg: each,
  ofa: 0,
});

describe('captures of real machines', () => {
  test.each([
    [
      'h100',
      { driverVersion: '590.48.01', cudaVersion: '13.1' },
      {
        pciBusId: '00000000:00:09.0',
        name: 'NVIDIA H100 80GB HBM3',
        architecture: 'hopper',
        computeCapability: '9.0',
        memoryTotalMiB: 81559,
        memoryReservedMiB: 479,
        memoryUsedMiB: 0,
        mig: { current: false, pending: false },
      },
    ],
    [
      'h100-mig',
      { driverVersion: '590.48.01', cudaVersion: '13.1' },
      { computeCapability: '9.0', memoryUsedMiB: 59, mig: { current: true, pending: true } },
    ],
    [
      'rtx-2080-super',
      { driverVersion: '595.71.05', cudaVersion: '13.2' },
      {
        pciBusId: '00000000:0c:00.0',
        name: 'NVIDIA GeForce RTX 2080 SUPER',
        architecture: 'turing',
        computeCapability: '7.5',
        memoryTotalMiB: 8192,
        memoryReservedMiB: 408,
        memoryUsedMiB: 214,
        mig: null,
      },
    ],
    [
      'rtx-4080-super',
      { driverVersion: '595.71.05', cudaVersion: '13.2' },
      {
        name: 'NVIDIA GeForce RTX 4080 SUPER',
        architecture: 'ada lovelace',
        computeCapability: '8.9',
        memoryTotalMiB: 16376,
        memoryReservedMiB: 434,
        memoryUsedMiB: 596,
        mig: null,
      },
    ],
  ] as const)('%s', (capture, head, gpu) => {
    const snapshot = readSnapshot(capture);
    expect(snapshot).toMatchObject({ driver: 'smi', ...head, unreadable: [] });
    expect(snapshot.gpus).toHaveLength(1);
    expect(snapshot.gpus[0]).toMatchObject({
      uuid: maskedUuid,
      index: 0,
      minor: 0,
      error: null,
      links: [],
      ...gpu,
    });
  });

  test('MIG instances join -L and -q', () => {
    const [gpu] = readSnapshot('h100-mig').gpus;
    const shown = gpu?.migInstances.map(({ uuid, ...rest }) => [uuid.slice(0, 12), ...Object.values(rest)]);
    expect(shown).toEqual([
      ['MIG-00000000', 2, 0, '3g.40gb', 40448, 3, 3, engines(60, 3), []],
      ['MIG-00000001', 3, 0, '2g.20gb', 20096, 2, 2, engines(32, 2), []],
      ['MIG-00000002', 9, 0, '1g.10gb', 9984, 1, 1, engines(16, 1), []],
      ['MIG-00000003', 10, 0, '1g.10gb', 9984, 1, 1, engines(16, 1), []],
    ]);
  });
});

describe('-q', () => {
  const healthy = readCapture('h100', '-q');

  test.each([
    ['fan', 'Fan Speed                                          : N/A', 'Fan Speed : Unknown Error', null],
    ['fan', 'Fan Speed                                          : N/A', 'Fan Speed : ERR!', null],
    [
      'fan',
      'Fan Speed                                          : N/A',
      'Fan Speed : GPU is lost',
      'GPU is lost',
    ],
    [
      'fan',
      'Fan Speed                                          : N/A',
      'Fan Speed : [GPU requires reset]',
      'GPU requires reset',
    ],
    [
      'memory',
      'Total                                          : 81559 MiB',
      'Total : Unknown Error',
      'Unknown Error',
    ],
  ])('%s: %s → %s gives the error %s', (_what, line, instead, error) => {
    expect(healthy).toContain(line);
    const { gpus } = parseQuery(healthy.replace(line, instead));
    expect(gpus[0]).toMatchObject({ uuid: maskedUuid, fault: error });
  });

  test.each(['N/A', '[N/A]', 'Not Supported', '[Not Supported]', 'Insufficient Permissions'])(
    'memory that is %s is null and no fault',
    (word) => {
      const { gpus } = parseQuery(healthy.replaceAll(/: \d+ MiB/g, `: ${word}`));
      expect(gpus[0]).toMatchObject({
        memoryTotalMiB: null,
        memoryReservedMiB: null,
        memoryUsedMiB: null,
        fault: null,
      });
    },
  );

  test('a GPU without a UUID is unreadable by its place, and says why', () => {
    const report = parseQuery(healthy.replace(maskedUuid, 'GPU is lost'));
    const snapshot = assemble(report);
    expect(snapshot.gpus).toEqual([]);
    expect(snapshot.unreadable).toEqual([{ index: 0, pciBusId: '00000000:00:09.0', error: 'GPU is lost' }]);
  });

  test('two GPUs with one UUID: only one of them can be booked', () => {
    const start = healthy.indexOf('GPU 00000000:00:09.0');
    const second = healthy.slice(start).replace('00000000:00:09.0', '00000000:00:0A.0');
    const snapshot = assemble(parseQuery(healthy + second));
    expect(snapshot.gpus.map(({ index }) => index)).toEqual([0]);
    expect(snapshot.unreadable).toEqual([
      { index: 1, pciBusId: '00000000:00:0a.0', error: 'it has the same UUID as GPU 0' },
    ]);
  });

  test('no GPU at all', () => {
    expect(parseQuery('Driver Version : 580.1\nAttached GPUs : 0\n')).toMatchObject({
      driverVersion: '580.1',
      gpus: [],
    });
  });

  test('text that breaks off is an error at every line', () => {
    const lines = healthy.split('\n');
    const end = lines.findIndex((line) => line.includes(' Processes '));
    expect(end).toBeGreaterThan(200);
    for (let count = 0; count < end; count += 1)
      expect(() => parseQuery(lines.slice(0, count).join('\n')), `${count} lines`).toThrow(DriverError);
    expect(parseQuery(lines.slice(0, end + 1).join('\n')).gpus).toHaveLength(1);
  });

  function assemble(report: ReturnType<typeof parseQuery>): Snapshot {
    const gpus = report.gpus.map((gpu, index) => ({ gpu, index }));
    return toSnapshot({ ...report, gpus, failures: [], list: [], computeCapabilities: new Map() });
  }
});

function catchError(run: () => unknown): Error | null {
  try {
    run();
    return null;
  } catch (error) {
    return error as Error;
  }
}

describe('garbage', () => {
  const long = 'x'.repeat(5000);

  test.each([
    ['-q', parseQuery],
    ['-L', parseList],
    ['--query-gpu', parseTable],
  ] as const)('%s quotes the first line, cut', (command, parse) => {
    expect(() => parse(`\n  <html>${long}\nmore`)).toThrow(/"<html>x{50,120}…"$/);
    expect(() => parse('')).toThrow(/: nothing$/);
    expect(() => parse('')).toThrow(command);
  });

  test.each([
    ['parseQuery', parseQuery],
    ['parseList', parseList],
    ['parseTable', parseTable],
  ] as const)('%s throws nothing but DriverError', (_name, parse) => {
    const captured = ['-q', '-L'].map((arg) => readCapture('h100-mig', arg));
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(...captured.flatMap((text) => text.split('\n')), '\n', ' :', 'GPU 00000000:00:09.0'),
      fc.constantFrom(...captured).chain((text) => fc.nat(text.length).map((end) => text.slice(0, end))),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), fc.constantFrom('', '\n'), (pieces, glue) => {
        const error = catchError(() => parse(pieces.join(glue)));
        expect(error ?? new DriverError('driver-failed', '')).toBeInstanceOf(DriverError);
        expect(error?.message.length ?? 0).toBeLessThan(300);
      }),
    );
  });
});

test.each([
  [
    'Unable to determine the device handle for GPU 0000:0B:00.0: Unknown Error',
    null,
    '00000000:0b:00.0',
    'Unknown Error',
  ],
  [
    'Unable to determine the device handle for gpu 0000:02:00.0: GPU is lost.  Reboot the system to recover this GPU',
    null,
    '00000000:02:00.0',
    'GPU is lost.  Reboot the system to recover this GPU',
  ],
  [
    'Unable to determine the device handle for GPU0000:65:00.0: Unknown Error',
    null,
    '00000000:65:00.0',
    'Unknown Error',
  ],
  [
    'Unable to determine the device handle for GPU3: 0000:BA:00.0: Unknown Error',
    3,
    '00000000:ba:00.0',
    'Unknown Error',
  ],
])('%s', (line, index, pciBusId, error) => {
  expect(parseHandleFailures(`\n${line}\nGPU 1: …\n`)).toEqual([{ index, pciBusId, error }]);
});

test.each([
  ['[N/A]', 'silent'],
  ['N/A', 'silent'],
  ['', 'silent'],
  [undefined, 'silent'],
  ['[Not Supported]', 'silent'],
  ['[Requested functionality has been deprecated]', 'silent'],
  ['[Unknown Error]', 'unknown-error'],
  ['ERR!', 'unknown-error'],
  ['[GPU requires reset]', 'fault'],
  ['GPU is lost', 'fault'],
  ['81559 MiB', 'value'],
])('the field %s is %s', (raw, kind) => {
  expect(readField(raw).kind).toBe(kind);
});

test('PCI addresses come in two widths', () => {
  expect(readPciBusId('0000:0B:00.0')).toBe('00000000:0b:00.0');
  expect(readPciBusId('00000001:0B:00.0')).toBe('00000001:0b:00.0');
  expect(readPciBusId('0B:00.0')).toBeNull();
});

test('no devices', () => {
  expect(saysNoDevices('No devices were found\n')).toBe(true);
  expect(parseList('No devices found.\n')).toEqual([]);
  expect(saysNoDevices('GPU 0: No devices were found')).toBe(false);
});

describe('what labels are made from', () => {
  const block = (lines: string): string =>
    `Attached GPUs : 1\nGPU 00000000:01:00.0\n    GPU UUID : GPU-00000000-0000-0000-0000-000000000001\n${lines}    Processes : None\n`;
  const fabric = (cluster: string, state = 'Completed', status = 'Success'): string =>
    block(
      `    Fabric\n        State : ${state}\n        Status : ${status}\n        CliqueId : 7\n        ClusterUUID : ${cluster}\n`,
    );
  const cluster = '0A000000-0000-0000-0000-00000000000B';

  test.each([
    ['a fabric that was joined', fabric(cluster), { clusterUuid: cluster.toLowerCase(), cliqueId: 7 }],
    ['a machine of its own', fabric('00000000-0000-0000-0000-000000000000'), null],
    ['a fabric that is being joined', fabric(cluster, 'In Progress'), null],
    ['a fabric that was not joined', fabric(cluster, 'Completed', 'Insufficient Resources'), null],
    ['no fabric', fabric('N/A', 'N/A', 'N/A'), null],
    ['nothing said', block(''), null],
  ])('%s', (_title, text, expected) => {
    expect(parseQuery(text).gpus[0]?.fabric).toEqual(expected);
  });

  test.each([
    ['VGPU', 'VGPU'],
    ['None', 'None'],
    ['N/A', null],
  ])('virtualization %s', (said, expected) => {
    const text = block(`    GPU Virtualization Mode\n        Virtualization Mode : ${said}\n`);
    expect(parseQuery(text).gpus[0]?.virtualization).toBe(expected);
  });
});
