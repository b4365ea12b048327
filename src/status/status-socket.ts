import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * How the status of a node is asked for: a unix socket of each agent in one folder that root alone may enter. The client sends one word
 * and a line end; the answer is JSON, one document a line.
 *
 *     status    one document, and the end
 *     watch     the newest document at once and after each change, until either side hangs up
 */
export const requests = ['status', 'watch'] as const;
export type StatusRequest = (typeof requests)[number];

/** No request is longer, its line end included. */
export const maxRequestLength = 16;

/** The answer to what cannot be answered. */
export interface StatusRefusal {
  readonly error: string;
}

/** The folder of the agents' sockets, inside of the state folder. */
export function statusFolder(stateDir: string): string {
  return join(stateDir, 'run');
}

/** A name of its own for each agent: two of them live on one node during an update, each maybe as process 1. */
export function newStatusSocket(folder: string): string {
  return join(folder, `status-${randomBytes(4).toString('hex')}.sock`);
}

/** The sockets of all agents, those included that have died. Rejects when the folder cannot be read. */
export async function findStatusSockets(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder);
  return names.filter((name) => /^status-[0-9a-f]{8}\.sock$/.test(name)).map((name) => join(folder, name));
}
