import { stat } from 'node:fs/promises';
import { FakePlugin } from '../../simulator/fake-plugin.ts';
import type { Cluster } from '../node/cluster.ts';
import { readCheckpoint, readHoldings } from './oracle.ts';
import { waitFor } from './wait.ts';

/**
 * Makes the kubelet take ended pods out of its records: it does so when its pod resources are listed and any plugin sends a list after that.
 * An agent that starts while they are there rightly lists their GPUs, Unhealthy, for ten seconds, and the next test would wait for that.
 */
export async function forgetEndedPods(cluster: Cluster): Promise<void> {
  const { devicePlugins, kubeletSocket, checkpoint } = cluster.paths;
  // Where there is none yet, nothing was ever given out.
  if ((await readCheckpoint(cluster).catch(() => [])).length === 0) return;
  await readHoldings(cluster);
  const identify = async (): Promise<string> => {
    const { ino, ctimeNs } = await stat(checkpoint, { bigint: true });
    return `${ino} ${ctimeNs}`;
  };
  const before = await identify();
  const plugin = new FakePlugin(
    { devicePluginFolder: devicePlugins, registrationSocket: kubeletSocket },
    { resource: 'example.com/forget', endpoint: 'forget.sock', devices: [] },
  );
  try {
    await plugin.listen();
    // A kubelet that has just started may refuse the first connection.
    await waitFor('a plugin is registered', () => plugin.register().then(() => true), Boolean);
    await waitFor('the kubelet writes its records', identify, (now) => now !== before);
  } finally {
    plugin.die();
  }
}
