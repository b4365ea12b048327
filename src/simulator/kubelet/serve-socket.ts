import { ServerCredentials, type Server } from '@grpc/grpc-js';
import { randomBytes } from 'node:crypto';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The longest path that a Go program can dial. */
const longestSocketPath = 107;

/**
 * Lets the gRPC server listen on a unix socket at this path and makes the folder where it is missing. The socket is
 * made in the parent folder and moved, for two reasons: it can be dialled from the moment it is seen, and closing the
 * server leaves the file where it is (a closing server unlinks the path it was bound to), as a killed kubelet does.
 */
export async function serveAtSocket(server: Server, path: string): Promise<void> {
  const folder = dirname(path);
  const boundAt = join(dirname(folder), `.${randomBytes(4).toString('hex')}.sock`);
  for (const each of [path, boundAt]) {
    if (Buffer.byteLength(each) > longestSocketPath)
      throw new Error(
        `The socket path ${each} is longer than ${String(longestSocketPath)} bytes: use a shorter folder`,
      );
  }
  await mkdir(folder, { recursive: true, mode: 0o750 });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.bindAsync(`unix:${boundAt}`, ServerCredentials.createInsecure(), (error) => {
    if (error === null) resolve();
    else reject(new Error(`Cannot listen on ${boundAt}`, { cause: error }));
  });
  await promise;
  await rename(boundAt, path);
}
