import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a process and all its children use, as the Linux kernel counts it. */
export interface ProcessUse {
  readonly processes: number;
  readonly privateDirtyMB: number;
  readonly pssMB: number;
  readonly rssMB: number;
  readonly cpuSeconds: number;
}

const ticksPerSecond = 100;

/** Adds up memory and CPU time of a process and its descendants. */
export function readProcessUse(pid: number): ProcessUse {
  const pids = withDescendants(pid);
  const memory = pids.map((each) => readFileSync(`/proc/${each}/smaps_rollup`, 'utf8'));
  const sum = (field: string): number =>
    memory.reduce((total, text) => total + kilobytes(text, field), 0) / 1000;
  return {
    processes: pids.length,
    privateDirtyMB: sum('Private_Dirty'),
    pssMB: sum('Pss'),
    rssMB: sum('Rss'),
    cpuSeconds: pids.reduce((total, each) => total + cpuSeconds(each), 0),
  };
}

/** A clock of the CPU time, in milliseconds, that a process and those that are its descendants now have used: also on a busy machine it tells their own work. */
export function cpuClock(pid: number): () => number {
  const tasks = withDescendants(pid).map((each) => `/proc/${each}/task`);
  return () => tasks.reduce((sum, folder) => sum + cpuMs(folder), 0);
}

/** Of all threads; the first number of schedstat is nanoseconds on a CPU (kernel: Documentation/scheduler/sched-stats.rst). */
function cpuMs(folder: string): number {
  const threads = readdirSync(folder).map((thread) =>
    readFileSync(join(folder, thread, 'schedstat'), 'utf8'),
  );
  return threads.reduce((sum, text) => sum + Number(text.split(' ')[0]) / 1_000_000, 0);
}

function withDescendants(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statFields(Number(name))?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  for (const queue = [root]; queue.length > 0;) {
    const pid = queue.shift() ?? root;
    found.push(pid);
    queue.push(...(children.get(pid) ?? []));
  }
  return found;
}

/** The fields of /proc/PID/stat after the program's name: state, parent, …; `null` when the process is gone. */
function statFields(pid: number): readonly string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

function cpuSeconds(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0)) / ticksPerSecond;
}

/** smaps_rollup counts in units of 1024 bytes. */
function kilobytes(rollup: string, field: string): number {
  return (Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1] ?? 0) * 1024) / 1000;
}
