import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseXid } from '../../../src/inventory/kernel-log/parse-xid.ts';

const uuid = 'GPU-5a1dbeef-0000-4000-8000-000000000001';

describe('a record that tells of an XID', () => {
  test.each([
    ['NVRM: Xid (PCI:0000:1b:00): 79, pid=1234, GPU has fallen off the bus.', [79, '00000000:1b:00.0']],
    ["NVRM: Xid (PCI:0000:CB:00): 13, pid='<unknown>', name=<unknown>, Graphics", [13, '00000000:cb:00.0']],
    ['NVRM: Xid (PCI:0000:05:00): 31, pid=98, name=python, Ch 00000008, intr 10', [31, '00000000:05:00.0']],
    ['NVRM: Xid (PCI:0019:01:00): 149, NETIR Fatal XC0 i0 Link -1 (0x000fe406)', [149, '00000019:01:00.0']],
    ['NVRM: Xid (PCI:0000:02:00): 154, GPU recovery action changed from 0x0', [154, '00000000:02:00.0']],
    ['NVRM: Xid (0000:03:00): 8, Channel 00000001', [8, '00000000:03:00.0']],
    ['NVRM: Xid (PCI:0001:00:00.0): 79, GPU has fallen off the bus', [79, '00000001:00:00.0']],
    ['NVRM: Xid (PCI:10000000:1b:00): 62, 0a5a(2f48) 00000000 00000000', [62, '10000000:1b:00.0']],
    ['NVRM: NVRM: Xid (PCI:0000:1b:00): 48, DBE', [48, '00000000:1b:00.0']],
    ['4,1234,56789012,-;NVRM: Xid (PCI:0000:1b:00): 79, gone', [79, '00000000:1b:00.0']],
    ['3,9,1,c,caller=T7;NVRM: Xid (PCI:0000:1b:00): 119, Timeout after 6s', [119, '00000000:1b:00.0']],
    ['NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, pid=7194, Contained', [94, '00000000:01:00.0', 5]],
    ['NVRM: Xid (PCI:0000:3b:00 GPU-I:01 GPU-CI:02): 13, pid=9', [13, '00000000:3b:00.0', 1, 2]],
    [`NVRM: Xid (PCI:0000:3b:00 ${uuid}): 79, gone`, [79, '00000000:3b:00.0', null, null, uuid]],
    [`NVRM: Xid (PCI:0000:3b:00, ${uuid} GPU-I:01): 79`, [79, '00000000:3b:00.0', 1, null, uuid]],
  ] as const)('%s', (record, [xid, pciBusId, gi = null, ci = null, gpu = null]) => {
    expect(parseXid(record)).toEqual({
      kind: 'xid',
      xid,
      gpu,
      pciBusId,
      gpuInstanceId: gi,
      computeInstanceId: ci,
      count: 1,
      source: 'kernel-log',
    });
  });
});

describe('another record', () => {
  test.each([
    '',
    'NVRM: GPU at PCI:0000:1b:00: GPU-5a1dbeef-0000-4000-8000-000000000001',
    'NVRM: loading NVIDIA UNIX x86_64 Kernel Module  590.48.01',
    'NVRM: GPU 0000:1b:00.0: RmInitAdapter failed! (0x22:0x56:894)',
    'nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 12028, Non-fatal, Link 32 egress',
    'NVRM: Xid (PCI:0000:1b:00): none, what',
    'NVRM: Xid (PCI:0000:1b:00)',
    ' SUBSYSTEM=pci',
    // A program that is called like an error, and a line that quotes one.
    '6,1,1,-;oom-kill: task=NVRM: Xid (PCI:0000:1b:00): 79, gone',
    'traps: x;NVRM: Xid (PCI:0000:1b:00): 79, gone',
  ])('%s', (record) => {
    expect(parseXid(record)).toBeNull();
  });
});

test('never fails and never takes long, whatever is logged', () => {
  const piece = fc.constantFrom(
    'NVRM: ',
    'Xid (',
    'PCI:',
    '0000:',
    '1b:',
    '00',
    '): ',
    '79',
    ', ',
    ';',
    ' GPU-I:',
    '4,',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 200 }), (pieces) => {
      const found = parseXid(pieces.join(''));
      expect(found === null || Number.isSafeInteger(found.count)).toBe(true);
    }),
  );
});
