import { readdirSync, readFileSync } from 'node:fs';
import { kill } from 'node:process';

/**
 * Sends SIGKILL to all processes of a group; a group that is gone, or that may not be killed, is left as it is.
 * @param group process id of the group's leader
 */
export function killGroup(group: number): void {
  try {
    kill(-group, 'SIGKILL');
  } catch {
    // ESRCH and EPERM: nobody is left that can be ended from here.
  }
}

/**
 * True while a process of the group runs, or waits in the kernel and cannot die. A zombie has ended, though nobody has
 * taken note of it: signal 0 could not tell the two apart, so `/proc` is asked (proc_pid_stat(5), `state` and `pgrp`).
 */
export function isGroupAlive(group: number): boolean {
  return listProcesses().some((pid) => {
    const [state = 'X', , pgrp] = readStat(pid);
    return Number(pgrp) === group && state !== 'Z' && state !== 'X';
  });
}

/** None where `/proc` cannot be read: then nobody is known to be stuck. */
function listProcesses(): readonly string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** The fields behind the program's name, which may hold anything; empty for a process that has gone. */
function readStat(pid: string): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}
