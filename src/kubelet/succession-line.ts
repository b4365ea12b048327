import { once } from 'node:events';
import type { Socket } from 'node:net';

/**
 * What two agents of a node say to each other, one word and resource names a line:
 *
 *     ready nvidia.com/gpu      the one that stands by could serve these
 *     take                      the one that served has freed the lock for it
 *     at nvidia.com/gpu slicewise-gpu-0123abcd.sock
 *                               where the successor answers for a resource, said before the next line
 *     serving nvidia.com/gpu    the successor is registered for these
 *
 * A word that is not known means nothing.
 */
export interface Said {
  readonly word: string;
  readonly resources: readonly string[];
}

/** More in one line is not from an agent. */
const maxLineLength = 64 * 1024;

/** Hears every line from the other side until the connection ends. A broken connection is an ended one. */
export async function hearLines(socket: Socket, hear: (said: Said) => void): Promise<void> {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('error', () => undefined);
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLineLength) socket.destroy();
    for (const line of lines) {
      const [word = '', ...resources] = line.split(' ');
      hear({ word, resources });
    }
  });
  if (!socket.closed) await once(socket, 'close').catch(() => undefined);
}

/** Says something; nobody hears it on a connection that has ended. */
export function say(socket: Socket, { word, resources }: Said): void {
  if (socket.writable) socket.write(`${[word, ...resources].join(' ')}\n`);
}
