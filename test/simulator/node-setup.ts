import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import {
  startKubelet,
  type StandInKubelet,
  type StandInKubeletOptions,
} from '../../src/simulator/kubelet/kubelet.ts';
import { FakePlugin, startPlugin, type FakePluginOptions } from './fake-plugin.ts';

/** A stand-in kubelet in a folder of its own; both are gone when the test is over. */
export async function setUpKubelet(
  options: Omit<StandInKubeletOptions, 'folder'> = {},
): Promise<StandInKubelet> {
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const kubelet = await startKubelet({ folder, ...options });
  onTestFinished(async () => {
    await kubelet[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  return kubelet;
}

/** A plugin that is registered and listed. */
export async function setUpPlugin(
  kubelet: StandInKubelet,
  options: FakePluginOptions = {},
): Promise<FakePlugin> {
  const plugin = await startPlugin(kubelet, options);
  onTestFinished(() => plugin.die());
  return plugin;
}

/** A plugin that neither listens nor is registered yet. */
export function createPlugin(kubelet: StandInKubelet, options: FakePluginOptions = {}): FakePlugin {
  const plugin = new FakePlugin(kubelet, options);
  onTestFinished(() => plugin.die());
  return plugin;
}
