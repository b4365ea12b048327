import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { mustSkip } from '../support/nvml-header.ts';
import { anyLibrary, inventoryOracle } from '../support/nvml-library.ts';
import {
  helperOf,
  setScenario,
  skipNvml,
  startOnEightGpus,
  startOnStandIn,
  waitForUnhealthy,
} from './support/nvml-agent.ts';
import { isRunning, waitForEnd } from './support/processes.ts';
import { gpuResource, startRunningAgent } from './support/running-agent.ts';

const library = await anyLibrary();
const oracle = await inventoryOracle();
const skip = mustSkip(library, 'the agent on NVML') || mustSkip(oracle, 'the agent on NVML');
const gone = 'the GPU has fallen off the bus';

describe.skipIf(skip)('any library that follows the header', () => {
  test('exactly its GPUs are registered, and handed out under the names that it gives them', async () => {
    const [path, ask] = [library, oracle].map((found) => ('path' in found ? found.path : ''));
    const { stdout } = await promisify(execFile)(ask ?? '', [path ?? '']);
    const uuids = stdout.match(/GPU-[0-9a-f-]{36}/g) ?? [];
    expect(uuids.length).toBeGreaterThan(0);

    await using node = await startRunningAgent({
      args: ['--device-discovery-strategy', 'nvml', '--nvml-library', path ?? ''],
      env: librarySettings(),
    });
    await node.waitForGpus(uuids.length);
    expect(node.listed()).toEqual(Object.fromEntries(uuids.map((uuid) => [uuid, 'Healthy'])));
    await node.admit('pod', uuids.length);
    expect(node.kubelet.holdings()[0]?.response.envs['NVIDIA_VISIBLE_DEVICES']).toBe(uuids.join());
    const helper = helperOf(node);
    expect(await node.stop()).toBe(0);
    await waitForEnd(helper);
  });
});

describe.skipIf(skipNvml)('a GPU that is lost', () => {
  test('before the start costs that GPU, and the others are served', async () => {
    await using node = await startOnStandIn('fault * 3 return 15');
    await node.waitForGpus(7);
    expect(node.kubelet.nodeStatus()[gpuResource]).toEqual({ capacity: 7, allocatable: 7 });
    await node.waitForReadyz(200);
    expect((await node.admit('pod', 7)).phase).toBe('Running');
    expect((await node.get('/metrics')).body).toContain('slicewise_gpus{state="failed"} 1\n');
  });

  test('while running turns Unhealthy under its id, costs no other, and comes back', async () => {
    await using node = await startOnEightGpus();
    const ids = Object.keys(node.listed());
    await node.admit('early', 2);
    await setScenario(node, 'fault * 5 return 15');
    await waitForUnhealthy(node, [5]);
    expect(Object.keys(node.listed())).toEqual(ids);
    const said = node.logged('GPU is unhealthy');
    expect(said).toMatchObject([
      { level: 'warn', gpu: ids[5], index: 5, reason: expect.stringContaining(gone) },
    ]);
    expect((await node.get('/readyz')).status).toBe(200);
    expect(node.kubelet.pods.map(({ phase }) => phase)).toEqual(['Running']);

    await setScenario(node, '');
    await waitForUnhealthy(node, []);
    expect(Object.keys(node.listed())).toEqual(ids);
    expect(node.logged('GPU is healthy again')).toHaveLength(1);
    expect(node.logged('GPU is unhealthy')).toHaveLength(1);
    expect(node.kubelet.violations).toEqual([]);
  });
});

describe.skipIf(skipNvml)('a driver that is slow to start', () => {
  test('is waited for: not ready with the reason, nothing registered; then its GPUs are served', async () => {
    await using node = await startOnStandIn('fault nvmlInit_v2 * slow 3000');
    await node.waitForReadyz(503, ['inventory: the GPUs are being read for the first time']);
    expect(node.kubelet.events.map(({ kind }) => kind)).toEqual(['started']);
    await node.waitForGpus(8);
    await node.waitForReadyz(200);
  });

  test('and never does: the agent stops all the same and takes the helper process along', async () => {
    await using node = await startOnStandIn('fault nvmlInit_v2 * hang');
    await node.waitForReadyz(503, ['inventory: the GPUs are being read for the first time']);
    const helper = helperOf(node);
    expect(isRunning(helper)).toBe(true);
    // The driver's own deadline is 120 s: that it ends before the test does is what is seen here.
    expect(await node.stop()).toBe(0);
    await waitForEnd(helper);
  });
});

/** What a library may read from the environment. */
function librarySettings(): Readonly<Record<string, string>> {
  const given = Object.entries(process.env).flatMap(([name, value]) =>
    /^(MOCK_)?NVML_|^LD_/.test(name) && value !== undefined ? [[name, value] as const] : [],
  );
  return Object.fromEntries(given);
}
