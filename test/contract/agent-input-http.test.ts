import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { startRunningAgent } from './support/running-agent.ts';

const args = ['--device-discovery-strategy', 'simulated', '--scenario', 'v100x4'];
const notServed = 'probes and metrics are not served';

/** A server of somebody else on a port of its own. */
async function takePort(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((_request, response) => void response.end('somebody else'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

describe.concurrent('the address of the probes', () => {
  test('is in use: GPUs are served all the same, it is said once, and taken when it is free', async () => {
    const { server, port } = await takePort();
    try {
      await using node = await startRunningAgent({ args: [...args, '--http-address', `127.0.0.1:${port}`] });
      await node.waitForGpus(4);
      expect((await node.admit('pod', 4)).phase).toBe('Running');
      const line = await node.waitForLog(notServed);
      expect(line.level).toBe('warn');
      expect(line['reason']).toBe(
        `Cannot serve HTTP on 127.0.0.1:${port}: another process listens there already; stop it, or choose another port with --http-address`,
      );
      // Longer than the pause between two tries.
      await new Promise((resolve) => setTimeout(resolve, 6000));
      await vi.waitFor(() => expect(node.logged(notServed)).toHaveLength(1), 5000);
      const closed = once(server, 'close');
      server.close();
      await closed;
      await node.waitForReadyz(200);
    } finally {
      server.close();
    }
  });

  test('is one that this machine does not have: GPUs are served all the same', async () => {
    await using node = await startRunningAgent({ args: [...args, '--http-address', '192.0.2.1:9400'] });
    await node.waitForGpus(4);
    expect((await node.waitForLog(notServed))['reason']).toContain('this machine has no such address');
  });

  test('is off: nothing listens', async () => {
    await using node = await startRunningAgent({ args: [...args, '--http-address', 'off'] });
    await node.waitForGpus(4);
    expect(node.logged('serving /livez')).toEqual([]);
    expect(await node.stop()).toBe(0);
  });
});
