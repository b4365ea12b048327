import { readdir, readlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { orWhenAbsent } from './absence.ts';
import { probeCharacterDevice, type CharacterDeviceProbe, type NodePath } from '../inventory/device-nodes.ts';

/** A folder that holds a `dev`: where we see it, and where it is on the host. */
export interface DevPlace {
  readonly seenAt: string;
  readonly onHost: string;
}

/**
 * Device nodes of the host by the paths that containers have them under, `/dev/…`. There may be several places to see them in;
 * the first that has a node counts, and says where it is on the host.
 */
export class DevFiles {
  readonly #places: readonly DevPlace[];
  readonly #isCharacterDevice: CharacterDeviceProbe;

  /** @param isCharacterDevice for tests, which cannot make device nodes */
  constructor(places: readonly DevPlace[], isCharacterDevice: CharacterDeviceProbe = probeCharacterDevice) {
    this.#places = places;
    this.#isCharacterDevice = isCharacterDevice;
  }

  /** The node, when it is there. */
  async find(path: string): Promise<NodePath | null> {
    for (const { seenAt, onHost } of this.#places)
      if (await this.#isCharacterDevice(join(seenAt, path)))
        return { hostPath: posix.join(onHost, path), containerPath: path };
    return null;
  }

  /** All nodes of a folder whose names fit, sorted by name. */
  async findAll(folder: string, names: RegExp): Promise<readonly NodePath[]> {
    const listed = await Promise.all(
      this.#places.map(({ seenAt }) => orWhenAbsent(readdir(join(seenAt, folder)), [])),
    );
    const fitting = [...new Set(listed.flat())].filter((name) => names.test(name)).toSorted();
    const found = await Promise.all(fitting.map((name) => this.find(posix.join(folder, name))));
    return found.filter((node) => node !== null);
  }

  /** What a link in `dev` says; `null` for none. */
  async readLink(path: string): Promise<string | null> {
    for (const { seenAt } of this.#places) {
      const target = await orWhenAbsent(readlink(join(seenAt, path)), null);
      if (target !== null) return target;
    }
    return null;
  }
}

/**
 * Where the host's device nodes may be seen from, the device root first. Our own `/dev` is the host's where the agent is given
 * it.
 */
export function devPlaces(options: {
  readonly seenAt: string;
  readonly onHost: string;
  readonly devRoot: string;
}): readonly DevPlace[] {
  const { seenAt, onHost, devRoot } = options;
  const driver = { seenAt, onHost };
  const own = { seenAt: '/', onHost: '/' };
  return onHost === devRoot
    ? [driver, { seenAt: devRoot, onHost: devRoot }, own]
    : [{ seenAt: devRoot, onHost: devRoot }, own, driver];
}
