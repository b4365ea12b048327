import { describe, expect, it } from 'vitest';
import { findLibraries } from '../../src/cdi/driver-libraries.ts';
import { RootedFiles } from '../../src/cdi/rooted-files.ts';
import { installDriver, libraryFolder as folder, link, put } from '../support/driver-root.ts';
import { shortFolder } from '../support/short-folder.ts';

const newer = '590.48.01';
const older = '580.65.06';

/** Libraries under a root that the steps make. */
async function librariesOf(make: (root: string) => Promise<void>, running: string | null, explicit = false) {
  const root = await shortFolder();
  await make(root);
  return findLibraries(new RootedFiles(root), running, explicit);
}

describe('libraries of the running driver', () => {
  it('are those that end in its version, with their links', async () => {
    const found = await librariesOf((root) => installDriver(root, newer), newer);
    expect(found).toEqual({
      version: newer,
      paths: ['libcuda', 'libnvidia-ml', 'libnvidia-ptxjitcompiler'].map(
        (name) => `${folder}/${name}.so.${newer}`,
      ),
      links: [
        { path: `${folder}/libcuda.so.1`, target: `libcuda.so.${newer}` },
        { path: `${folder}/libnvidia-ml.so`, target: 'libnvidia-ml.so.1' },
        { path: `${folder}/libnvidia-ml.so.1`, target: `libnvidia-ml.so.${newer}` },
        { path: `${folder}/libcuda.so`, target: 'libcuda.so.1' },
      ],
      trouble: null,
    });
  });

  it('are found once, where several names lead to one folder', async () => {
    const found = await librariesOf(async (root) => {
      await put(root, `/usr/lib64/libcuda.so.${newer}`, '');
      await put(root, `/usr/lib64/vdpau/libvdpau_nvidia.so.${newer}`, '');
      await link(root, '/lib64', 'usr/lib64');
    }, newer);
    expect(found.paths).toEqual([
      `/usr/lib64/libcuda.so.${newer}`,
      `/usr/lib64/vdpau/libvdpau_nvidia.so.${newer}`,
    ]);
  });

  it('are followed through the alternatives of Debian, within the root', async () => {
    const found = await librariesOf(async (root) => {
      await put(root, `${folder}/nvidia/current/libcuda.so.${newer}`, '');
      await link(root, `${folder}/libcuda.so.1`, '/etc/alternatives/libcuda');
      await link(root, '/etc/alternatives/libcuda', `${folder}/nvidia/current/libcuda.so.${newer}`);
    }, newer);
    expect(found.links).toContainEqual({
      path: `${folder}/libcuda.so.1`,
      target: `${folder}/nvidia/current/libcuda.so.${newer}`,
    });
  });

  it('leave out links that lead nowhere, and what is no file', async () => {
    const found = await librariesOf(async (root) => {
      await installDriver(root, newer);
      await link(root, `${folder}/libnvidia-gone.so.${newer}`, 'nowhere');
      await link(root, `${folder}/libcuda.so.2`, 'nowhere');
      await put(root, `${folder}/libnvidia-folder.so.${newer}/file`, '');
    }, newer);
    expect(found.paths).toHaveLength(3);
    expect(found.links.map(({ path }) => path)).not.toContain(`${folder}/libcuda.so.2`);
  });

  it.each([
    ['beside', async (root: string): Promise<void> => installDriver(root, older)],
    [
      'in another folder',
      async (root: string): Promise<void> => {
        await put(root, `/opt/libcuda.so.${older}`, '');
        await link(root, `${folder}/libcuda.so.1`, `/opt/libcuda.so.${older}`);
      },
    ],
  ])(
    'have links that lead to them, also where the installation leads to another version %s',
    async (_where, add) => {
      const alone = await librariesOf((root) => installDriver(root, newer), newer);
      const found = await librariesOf(async (root) => {
        await installDriver(root, newer);
        await add(root);
      }, newer);
      expect(found.links).toEqual(alone.links);
      expect(found.paths).toEqual(alone.paths);
    },
  );

  it('take the library of a version of its own, and others only when asked to', async () => {
    const make = async (root: string): Promise<void> => {
      await installDriver(root, newer);
      await put(root, `${folder}/libnvidia-nvvm70.so.4`, '');
      await put(root, `${folder}/libOpenCL.so.1.0.0`, '');
      await link(root, `${folder}/libOpenCL.so.1`, 'libOpenCL.so.1.0.0');
      await link(root, `${folder}/libOpenCL.so`, 'libOpenCL.so.1');
    };
    const usual = await librariesOf(make, newer);
    expect(usual.paths).toContain(`${folder}/libnvidia-nvvm70.so.4`);
    expect(usual.paths.join()).not.toContain('OpenCL');
    const explicit = await librariesOf(make, newer, true);
    expect(explicit.paths).toContain(`${folder}/libOpenCL.so.1.0.0`);
    expect(explicit.links).toContainEqual({ path: `${folder}/libOpenCL.so`, target: 'libOpenCL.so.1' });
  });
});

describe('the version', () => {
  const both = async (root: string): Promise<void> => {
    await installDriver(root, newer);
    await installDriver(root, older);
  };
  const unlinked = async (root: string): Promise<void> => {
    for (const version of [older, newer]) await put(root, `/usr/lib64/libcuda.so.${version}`, '');
  };

  it.each([
    ['the running one of two', both, newer, newer, [older, newer, 'running']],
    ['the one that the loader is led to, when none is known to run', both, null, older, ['the links']],
    ['the highest, when nothing else tells', unlinked, null, newer, ['the highest']],
    ['none that would not work with the running driver', both, '570.1', null, [older, newer, '570.1']],
    ['none of an empty root', async () => undefined, newer, null, ['no libcuda.so']],
  ] as const)('is %s', async (_name, make, running, version, words) => {
    const found = await librariesOf(make, running);
    expect(found.version).toBe(version);
    for (const word of words) expect(found.trouble).toContain(word);
    expect(found.paths.length > 0).toBe(version !== null);
    for (const path of found.paths) expect(path.endsWith(`.so.${version}`)).toBe(true);
  });

  it('is taken without a word when there is but one', async () => {
    const found = await librariesOf((root) => installDriver(root, older), null);
    expect(found).toMatchObject({ version: older, trouble: null });
  });

  it('10.2 is above 9.10', async () => {
    const found = await librariesOf(async (root) => {
      for (const version of ['9.10', '10.2']) await put(root, `/usr/lib64/libcuda.so.${version}`, '');
    }, null);
    expect(found.version).toBe('10.2');
  });
});
