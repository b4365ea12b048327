import type { GpuIncident } from '../gpu-signs.ts';

/**
 * The XID that a record of the kernel log tells of, or null for any other record. All that NVIDIA's drivers have printed begins with
 * `NVRM: Xid (PCI:0000:1b:00): 79, `; drivers up to 304 left `PCI:` out, and in MIG mode the instance stands behind the address. The
 * process behind the number is not read: programs choose their names.
 * @param record as `/dev/kmsg` gives it: `4,1234,5678901,-;NVRM: Xid …`, or the text alone
 */
export function parseXid(record: string): GpuIncident | null {
  const match = xidLine.exec(record);
  if (match === null) return null;
  const { domain, bus, device, gi, ci, xid, uuid } = match.groups ?? {};
  return {
    kind: 'xid',
    xid: Number(xid),
    gpu: uuid ?? null,
    // A GPU is function 0 of its device.
    pciBusId: `${(domain ?? '').padStart(8, '0')}:${bus}:${device}.0`.toLowerCase(),
    gpuInstanceId: gi === undefined ? null : Number(gi),
    computeInstanceId: ci === undefined ? null : Number(ci),
    count: 1,
    source: 'kernel-log',
  };
}

/** At the beginning of a record, so that what a program is called cannot look like one; a repeated `NVRM:` is what some loggers make of it. */
const xidLine = new RegExp(
  '^(?:\\d{1,5},\\d{1,20},\\d{1,20},[^;]{0,60};)?(?:NVRM: ){1,2}Xid \\((?:PCI:)?' +
    '(?<domain>[0-9a-f]{4,8}):(?<bus>[0-9a-f]{2}):(?<device>[0-9a-f]{2})(?:\\.[0-7])?' +
    '(?:[ ,]{1,2}(?<uuid>GPU-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?' +
    '(?: GPU-I:(?<gi>\\d{1,3}))?(?: GPU-CI:(?<ci>\\d{1,3}))?\\): (?<xid>\\d{1,9})(?:,|\\.|:| |$)',
  'i',
);
