import { mkdir, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NodeDescriber, type DescribeOptions } from '../../src/cdi/describe-node.ts';
import { readDeviceNodes } from '../../src/inventory/device-nodes.ts';
import type { Snapshot } from '../../src/inventory/gpu.ts';
import { installDriver, libraryFolder, link, put, putProgram } from '../support/driver-root.ts';
import { shortFolder } from '../support/short-folder.ts';
import { gpu, instance, migGpu, snapshotOf } from '../support/snapshots.ts';

const version = '590.48.01';

/** A node under a folder: plain files stand in for device nodes, which only root can make. */
class MadeUpNode {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  get root(): string {
    return join(this.folder, 'root');
  }

  async addDevices(...paths: readonly string[]): Promise<void> {
    for (const path of paths) await put(this.root, path, 'device');
  }

  /** What the kernel and udev have of a GPU's display side. */
  async addDisplay(address: string, card: number): Promise<void> {
    const render = 128 + card;
    for (const name of [`card${card}`, `renderD${render}`]) {
      await mkdir(join(this.folder, 'sys/bus/pci/devices', address, 'drm', name), { recursive: true });
      await this.addDevices(`/dev/dri/${name}`);
    }
    await link(this.root, `/dev/dri/by-path/pci-${address}-card`, `../card${card}`);
    await link(this.root, `/dev/dri/by-path/pci-${address}-render`, `../renderD${render}`);
  }

  describer(options: Partial<DescribeOptions> = {}): NodeDescriber {
    const all: DescribeOptions = {
      names: 'own',
      deviceIdStrategy: 'uuid',
      seenAt: this.root,
      onHost: '/run/nvidia/driver',
      devRoot: '/run/nvidia/driver',
      sysfsRoot: join(this.folder, 'sys'),
      cdiRoot: join(this.folder, 'cdi'),
      features: [],
      hookProgram: '/usr/bin/nvidia-ctk',
      disabledHooks: [],
      explicitLibraries: false,
      sockets: true,
      ...options,
    };
    return new NodeDescriber(all, async (path) => path.startsWith(this.root) && path.includes('/dev/'));
  }

  async describe(
    snapshot: Snapshot,
    options: Partial<DescribeOptions> = {},
    channels: readonly number[] = [],
  ) {
    const { devRoot = '/run/nvidia/driver' } = options;
    const seen = new Set(['/dev/nvidiactl', '/dev/nvidia-uvm', '/dev/nvidia-caps-imex-channels/channel0']);
    const nodes = await readDeviceNodes(devRoot, channels, async (path) => seen.has(path));
    return this.describer(options).describe(snapshot, nodes);
  }
}

async function madeUpNode(): Promise<MadeUpNode> {
  return new MadeUpNode(await shortFolder());
}

/** Texts of the specs as one JSON text, by class. */
function golden(texts: ReadonlyMap<string, string>): string {
  const specs = Object.fromEntries(
    [...texts].map(([cdiClass, text]) => [cdiClass, JSON.parse(text) as unknown]),
  );
  return `${JSON.stringify(specs, null, 2)}\n`;
}

/** Only the display nodes depend on the test's folder: their existence is looked up there. */
const twoGpus = snapshotOf([
  gpu(0, { minor: 3, pciBusId: '00000000:1b:00.0' }),
  gpu(1, { minor: 1, pciBusId: '00010000:c3:00.0' }),
]);

describe('the specs of a node', () => {
  it('with a driver container, everything there is, and everything asked for', async () => {
    const node = await madeUpNode();
    await installDriver(node.root, version);
    await put(node.root, `${libraryFolder}/libGLX_nvidia.so.${version}`, '');
    await put(node.root, `${libraryFolder}/vdpau/libvdpau_nvidia.so.${version}`, '');
    await put(node.root, '/run/nvidia-persistenced/socket', '');
    await put(node.root, '/run/nvidia-fabricmanager/socket', '');
    await link(node.root, '/var/run', '/run');
    await put(node.root, '/tmp/nvidia-mps/control', '');
    await put(node.root, '/etc/cufile.json', '{}');
    await node.addDisplay('0000:1b:00.0', 1);
    await node.addDisplay('10000:c3:00.0', 2);
    await node.addDevices('/dev/gdrdrv', '/dev/nvidia-fs0', '/dev/nvidia-fs1');
    await node.addDevices('/dev/infiniband/uverbs0', '/dev/infiniband/rdma_cm', '/dev/infiniband/umad0');
    const features = ['gdrcopy', 'gds', 'mofed'] as const;
    const { texts, names, faults, trouble } = await node.describe(twoGpus, { features }, [0]);
    await expect(golden(texts)).toMatchFileSnapshot('../golden/cdi-driver-container.json');
    expect(names.others).toEqual(
      ['imex-channel=0', 'gdrcopy=all', 'gds=all', 'mofed=all'].map(
        (name) => `k8s.device-plugin.nvidia.com/${name}`,
      ),
    );
    expect([faults.size, trouble]).toEqual([0, []]);
  });

  it("with the driver on the host itself, by index, with the toolkit's hook program", async () => {
    const node = await madeUpNode();
    await installDriver(node.root, version);
    await putProgram(node.root, '/usr/bin/nvidia-cdi-hook');
    const host = { onHost: '/', devRoot: '/' };
    const { texts, trouble } = await node.describe(twoGpus, { ...host, deviceIdStrategy: 'index' });
    await expect(golden(texts)).toMatchFileSnapshot('../golden/cdi-host-driver.json');
    expect(trouble).toEqual([]);
  });

  it('where there is no driver to be seen: devices alone, and the reason', async () => {
    const node = await madeUpNode();
    const { texts, trouble, missing } = await node.describe(twoGpus);
    await expect(golden(texts)).toMatchFileSnapshot('../golden/cdi-bare.json');
    expect(trouble).toEqual([
      `/run/nvidia/driver, seen at ${node.root}: it holds no libcuda.so or libnvidia-ml.so`,
    ]);
    expect(missing).toContain('nvidia-smi');
  });

  it('without GPUs are none', async () => {
    const node = await madeUpNode();
    expect((await node.describe(snapshotOf([]))).texts.size).toBe(0);
  });

  it('leave sockets out when told to', async () => {
    const node = await madeUpNode();
    await put(node.root, '/run/nvidia-persistenced/socket', '');
    const { texts } = await node.describe(twoGpus, { sockets: false });
    expect([...texts.values()].join()).not.toContain('persistenced');
  });

  it.each([
    ['', libraryFolder],
    [' in a folder that an absolute link leads to', '/opt/driver'],
  ])('follow libraries that come%s, though the describer remembers them', async (_where, place) => {
    const node = await madeUpNode();
    await installDriver(node.root, version);
    if (place !== libraryFolder) {
      await mkdir(join(node.root, '/opt'));
      await rename(join(node.root, libraryFolder), join(node.root, place));
      await link(node.root, libraryFolder, place);
    }
    const describer = node.describer();
    const nodes = await readDeviceNodes('/', [], async () => false);
    const before = await describer.describe(twoGpus, nodes);
    await put(node.root, `${place}/libnvidia-late.so.${version}`, '');
    await utimes(join(node.root, place), new Date(), new Date(Date.now() + 1000));
    const after = await describer.describe(twoGpus, nodes);
    expect(before.texts.get('gpu')).not.toContain('libnvidia-late');
    expect(after.texts.get('gpu')).toContain('libnvidia-late');
  });
});

describe('the program of the hooks', () => {
  const host = { onHost: '/', devRoot: '/' };

  it('is looked for on the host: without it no container could start, so there are no hooks', async () => {
    const node = await madeUpNode();
    await installDriver(node.root, version);
    const { texts, trouble } = await node.describe(twoGpus, host);
    expect(texts.get('gpu')).not.toContain('hookName');
    expect(trouble).toEqual([expect.stringContaining('/usr/bin/nvidia-ctk')]);
    expect((await node.describe(twoGpus, { ...host, disabledHooks: ['all'] })).trouble).toEqual([]);
  });

  it('is believed in where the host cannot be seen', async () => {
    const node = await madeUpNode();
    await installDriver(node.root, version);
    const { texts, trouble } = await node.describe(twoGpus, { hookProgram: '/opt/nvidia/nvidia-cdi-hook' });
    expect(texts.get('gpu')).toContain('"/opt/nvidia/nvidia-cdi-hook"');
    expect(trouble).toEqual([]);
  });
});

describe("the toolkit's names", () => {
  const toolkit = (...names: readonly string[]): string =>
    JSON.stringify({ kind: 'nvidia.com/gpu', devices: names.map((name) => ({ name })) });
  const [first, second] = twoGpus.gpus.map(({ uuid }) => uuid) as [string, string];

  it('come from the specs on the host too', async () => {
    const node = await madeUpNode();
    await put(node.root, '/etc/cdi/nvidia.json', toolkit(first, second));
    const { names, texts } = await node.describe(twoGpus, { onHost: '/', names: 'toolkit' });
    expect([...names.gpus.values()]).toEqual([`nvidia.com/gpu=${first}`, `nvidia.com/gpu=${second}`]);
    expect(texts.size).toBe(0);
  });

  it('are those of indexes under that strategy', async () => {
    const node = await madeUpNode();
    await put(node.folder, 'cdi/nvidia.json', toolkit('0', '1', 'all'));
    const { names, faults } = await node.describe(twoGpus, { names: 'toolkit', deviceIdStrategy: 'index' });
    expect([...names.gpus.values()]).toEqual(['nvidia.com/gpu=0', 'nvidia.com/gpu=1']);
    expect(faults.size).toBe(0);
  });

  it('are a fault of each GPU that has none', async () => {
    const node = await madeUpNode();
    const none = await node.describe(twoGpus, { names: 'toolkit' });
    expect([...none.faults.keys()]).toEqual([first, second]);
    expect(none.faults.get(first)).toContain('there is no such spec');
    await put(node.folder, 'cdi/nvidia.json', toolkit(first));
    const one = await node.describe(twoGpus, { names: 'toolkit' });
    expect([...one.faults]).toEqual([
      [second, expect.stringContaining(join(node.folder, 'cdi/nvidia.json'))],
    ]);
  });

  it('are those of MIG instances, by UUID and by index; of their GPU none is needed', async () => {
    const node = await madeUpNode();
    const [one, two] = [instance(1, '1g.5gb', 1), instance(2, '1g.5gb', 1)];
    const snapshot = snapshotOf([gpu(0), migGpu(1, ['1g.5gb', '1g.5gb'])]);
    await put(node.folder, 'cdi/nvidia.json', toolkit(first, one.uuid, two.uuid, '0', '1:0', '1:1'));
    const auto = await node.describe(snapshot, { names: 'auto' });
    expect(auto.names.gpus.get(two.uuid)).toBe(`nvidia.com/gpu=${two.uuid}`);
    expect(auto.faults.size).toBe(0);
    const byIndex = await node.describe(snapshot, { names: 'toolkit', deviceIdStrategy: 'index' });
    expect(byIndex.names.gpus.get(two.uuid)).toBe('nvidia.com/gpu=1:1');
    expect([...byIndex.faults.keys()]).toEqual([gpu(1).uuid]);
    await put(node.folder, 'cdi/nvidia.json', toolkit(first, one.uuid));
    const incomplete = await node.describe(snapshot, { names: 'auto' });
    expect(incomplete.names.gpus.get(one.uuid)).toContain('k8s.device-plugin.nvidia.com/');
    const lacking = await node.describe(snapshot, { names: 'toolkit' });
    expect([...lacking.faults.keys()]).toEqual([gpu(1).uuid, two.uuid]);
  });

  it('are ours under auto as long as a GPU that works lacks one', async () => {
    const node = await madeUpNode();
    const auto = (snapshot: Snapshot) => node.describe(snapshot, { names: 'auto' });
    await put(node.folder, 'cdi/nvidia.yaml', toolkit(first));
    expect((await auto(twoGpus)).names.gpus.get(first)).toContain('k8s.device-plugin.nvidia.com/');
    const [healthy, broken] = twoGpus.gpus.map((each, at) => ({ ...each, error: at === 1 ? 'lost' : null }));
    const lost = await auto(snapshotOf([healthy!, broken!]));
    expect(lost.names.gpus.get(first)).toBe(`nvidia.com/gpu=${first}`);
    expect(lost.texts.has('gpu')).toBe(true);
  });

  it('are none that two files of one folder have: a runtime takes neither', async () => {
    const node = await madeUpNode();
    await put(node.folder, 'cdi/nvidia.yaml', toolkit(first, second));
    await put(node.folder, 'cdi/nvidia-gpu.json', toolkit(second));
    const { names, faults, trouble } = await node.describe(twoGpus, { names: 'toolkit' });
    expect([...names.gpus.keys()]).toEqual([first]);
    expect([...faults.keys()]).toEqual([second]);
    expect(trouble).toEqual([
      expect.stringMatching(/nvidia-gpu\.json and \S+nvidia\.yaml describe the same/),
    ]);
  });

  it('are read from files of a sensible size alone', async () => {
    const node = await madeUpNode();
    await put(node.folder, 'cdi/nvidia.json', toolkit(first, second).padEnd(5 << 20));
    await mkdir(join(node.folder, 'cdi/nvidia-folder.json'));
    const { names, trouble } = await node.describe(twoGpus, { names: 'toolkit' });
    expect(names.gpus.size).toBe(0);
    expect(trouble).toEqual([
      expect.stringContaining('it is no file'),
      expect.stringContaining('more than 4194304 bytes'),
    ]);
  });

  it('pass over a file that cannot be read, and say so', async () => {
    const node = await madeUpNode();
    await mkdir(join(node.folder, 'cdi'));
    await writeFile(join(node.folder, 'cdi/nvidia.yaml'), 'kind: [');
    await writeFile(
      join(node.folder, 'cdi/nvidia-other.json'),
      JSON.stringify({ kind: 'nvidia.com/nic', devices: 3 }),
    );
    await put(node.folder, 'cdi/nvidia.json', toolkit(first, second));
    const { names, trouble } = await node.describe(twoGpus, { names: 'auto' });
    expect(names.gpus.get(second)).toBe(`nvidia.com/gpu=${second}`);
    expect(trouble).toContainEqual(expect.stringContaining(join(node.folder, 'cdi/nvidia.yaml')));
  });
});
