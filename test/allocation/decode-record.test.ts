import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRecord } from '../../src/allocation/decode-record.ts';
import { encodeRecord, type AllocationRecord } from '../../src/allocation/record.ts';

const gpus = [{ uuid: 'GPU-1', mib: 1024 }];

describe('decodeRecord', () => {
  it.each<[string, string, AllocationRecord | null]>([
    ['whole GPUs', '{"version":1,"gpus":[{"uuid":"GPU-1","mib":1024}]}', { version: 1, gpus }],
    [
      'memory',
      '{"version":1,"gpus":[{"uuid":"GPU-1","mib":1024}],"units":{"count":1,"mib":1024}}',
      { version: 1, gpus, units: { count: 1, mib: 1024 } },
    ],
    [
      'memory that nobody knows',
      '{"version":1,"gpus":[{"uuid":"GPU-1","mib":null}]}',
      { version: 1, gpus: [{ uuid: 'GPU-1', mib: null }] },
    ],
    [
      'a newer version with more in it',
      '{"version":2,"gpus":[{"uuid":"GPU-1","mib":1024,"cores":5}],"more":1}',
      { version: 1, gpus },
    ],
    [
      'a MIG instance',
      '{"version":1,"gpus":[{"uuid":"GPU-1","mig":"MIG-1","mib":9}]}',
      { version: 1, gpus: [{ uuid: 'GPU-1', mig: 'MIG-1', mib: 9 }] },
    ],
    ['no JSON', '{"version":1,"gpus":[{"uu', null],
    ['nothing', '', null],
    ['null', 'null', null],
    ['a list', '[]', null],
    ['no version', '{"gpus":[{"uuid":"GPU-1","mib":1024}]}', null],
    ['version 0', '{"version":0,"gpus":[{"uuid":"GPU-1","mib":1024}]}', null],
    ['no GPUs', '{"version":1}', null],
    ['an empty list of GPUs', '{"version":1,"gpus":[]}', null],
    ['a GPU without a name', '{"version":1,"gpus":[{"mib":1024}]}', null],
    ['a GPU that is null', '{"version":1,"gpus":[null]}', null],
    ['units without a size', '{"version":1,"gpus":[{"uuid":"GPU-1","mib":1}],"units":{"count":1}}', null],
    [
      'units of a size of 0',
      '{"version":1,"gpus":[{"uuid":"GPU-1","mib":1}],"units":{"count":1,"mib":0}}',
      null,
    ],
  ])('reads %s', (_, text, record) => {
    expect(decodeRecord(text)).toEqual(record);
  });

  it('reads what was written', () => {
    const amount = fc.integer({ min: 1, max: 1_000_000 });
    const gpu = fc.record({ uuid: fc.string({ minLength: 1 }), mib: fc.option(amount) });
    const record = fc.record(
      {
        version: fc.constant(1 as const),
        gpus: fc.array(gpu, { minLength: 1 }),
        units: fc.record({ count: amount, mib: amount }),
      },
      { requiredKeys: ['version', 'gpus'] },
    );
    fc.assert(
      fc.property(record, (given) => {
        expect(decodeRecord(encodeRecord(given as AllocationRecord))).toEqual(given);
      }),
    );
  });
});
