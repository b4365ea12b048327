import { readdir, readlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { probeCharacterDevice, type CharacterDeviceProbe, type NodePath } from '../inventory/device-nodes.ts';

/**
 * Device nodes of the host by their paths there, `/dev/…`. We may see them in several places; the first that has a node
 * counts.
 */
export class DevFiles {
  readonly #seenAt: readonly string[];
  readonly #devRoot: string;
  readonly #isCharacterDevice: CharacterDeviceProbe;

  /**
   * @param seenAt roots under which we may see the host's `dev`
   * @param devRoot the folder on the host that holds the driver's `dev`
   * @param isCharacterDevice for tests, which cannot make device nodes
   */
  constructor(
    seenAt: readonly string[],
    devRoot: string,
    isCharacterDevice: CharacterDeviceProbe = probeCharacterDevice,
  ) {
    this.#seenAt = [...new Set(seenAt)];
    this.#devRoot = devRoot;
    this.#isCharacterDevice = isCharacterDevice;
  }

  /** The node, when it is there. */
  async find(path: string): Promise<NodePath | null> {
    for (const root of this.#seenAt)
      if (await this.#isCharacterDevice(join(root, path)))
        return { hostPath: posix.join(this.#devRoot, path), containerPath: path };
    return null;
  }

  /** All nodes of a folder whose names fit, sorted by name. */
  async findAll(folder: string, names: RegExp): Promise<readonly NodePath[]> {
    const listed = await Promise.all(this.#seenAt.map((root) => readdir(join(root, folder)).catch(() => [])));
    const fitting = [...new Set(listed.flat())].filter((name) => names.test(name)).toSorted();
    const found = await Promise.all(fitting.map((name) => this.find(posix.join(folder, name))));
    return found.filter((node) => node !== null);
  }

  /** What a link in `dev` says; `null` for none. */
  async readLink(path: string): Promise<string | null> {
    for (const root of this.#seenAt) {
      const target = await readlink(join(root, path)).catch(() => null);
      if (target !== null) return target;
    }
    return null;
  }
}
