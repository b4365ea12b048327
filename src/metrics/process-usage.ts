import { readFileSync } from 'node:fs';

/** What this process has used so far. */
export interface ProcessUsage {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

/** `USER_HZ`, the unit of the times in procfs: 100 on every architecture that Node supports (Linux: man 5 proc). */
const ticksPerSecond = 100;

/**
 * The use of this process as the Linux kernel counts it, or `null` where there is no procfs. Two small files are read
 * at each call, so it costs nothing between two scrapes.
 */
export function readProcessUsage(folder: string = '/proc/self'): ProcessUsage | null {
  try {
    return parseProcessUsage(
      readFileSync(`${folder}/status`, 'utf8'),
      readFileSync(`${folder}/stat`, 'utf8'),
    );
  } catch {
    return null;
  }
}

/** Reads resident memory from the text of `status` and CPU time from that of `stat`; `null` when either lacks it. */
export function parseProcessUsage(status: string, stat: string): ProcessUsage | null {
  const residentKiB = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  // The second field is the program's name in brackets and may hold spaces and brackets; what follows is plain.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [userTicks, systemTicks] = [fields[11], fields[12]];
  if (residentKiB === undefined || userTicks === undefined || systemTicks === undefined) return null;
  const cpuSeconds = (Number(userTicks) + Number(systemTicks)) / ticksPerSecond;
  return Number.isFinite(cpuSeconds) ? { residentBytes: Number(residentKiB) * 1024, cpuSeconds } : null;
}
