import { readdir } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { DisplayNodes } from '../allocation/cdi/cdi-plan.ts';
import type { Gpu } from '../inventory/gpu.ts';
import { sysfsName } from '../inventory/numa.ts';
import { orWhenAbsent } from './absence.ts';
import type { DevFiles } from './dev-files.ts';

/**
 * The device nodes of each GPU's display side (`/dev/dri/card0`, `/dev/dri/renderD128`), by the GPU's UUID, and the links by PCI
 * address that programs look for them under. The kernel says which belong to a GPU.
 */
export async function findDisplayNodes(
  gpus: readonly Pick<Gpu, 'uuid' | 'pciBusId'>[],
  sysfsRoot: string,
  dev: DevFiles,
): Promise<ReadonlyMap<string, DisplayNodes>> {
  const found = gpus.map(
    async ({ uuid, pciBusId }) => [uuid, await displayNodesOf(pciBusId, sysfsRoot, dev)] as const,
  );
  return new Map((await Promise.all(found)).filter(([, { nodes }]) => nodes.length > 0));
}

async function displayNodesOf(
  pciBusId: string | null,
  sysfsRoot: string,
  dev: DevFiles,
): Promise<DisplayNodes> {
  if (pciBusId === null) return { nodes: [], links: [] };
  const address = sysfsName(pciBusId);
  const names = await orWhenAbsent(readdir(join(sysfsRoot, 'bus/pci/devices', address, 'drm')), []);
  const all = await Promise.all(
    names
      .filter((name) => /^(card|renderD)\d+$/.test(name))
      .toSorted()
      .map((name) => dev.find(`/dev/dri/${name}`)),
  );
  const nodes = all.filter((node) => node !== null);
  const links = [];
  for (const kind of ['card', 'render']) {
    const path = `/dev/dri/by-path/pci-${address}-${kind}`;
    const target = await dev.readLink(path);
    if (target === null) continue;
    const meant = posix.resolve(posix.dirname(path), target);
    if (nodes.some(({ containerPath }) => containerPath === meant)) links.push({ target, path });
  }
  return { nodes, links };
}
