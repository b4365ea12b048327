import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { orWhenAbsent } from './absence.ts';
import { toError } from '../lib/errors.ts';

/** The kind that NVIDIA's container toolkit describes GPUs under. */
export const toolkitKind = 'nvidia.com/gpu';

export interface ToolkitSpecs {
  /** Names of the GPUs, without the kind. */
  readonly names: ReadonlySet<string>;
  /** Files that the names are from. */
  readonly files: readonly string[];
  /** Files that could not be read, each with the reason. */
  readonly unreadable: readonly string[];
}

/** Far more than a node's GPUs need; reading more would hold up answers. */
const maxBytes = 4 << 20;

/** The specs of GPUs that NVIDIA's container toolkit has made (`nvidia-ctk cdi generate`); a file is read again when it changes. */
export class ToolkitSpecReader {
  readonly #folders: readonly string[];
  #known: ReadonlyMap<string, SpecFile> = new Map();

  /** @param folders where runtimes look for specs, as we see them */
  constructor(folders: readonly string[]) {
    this.#folders = [...new Set(folders)];
  }

  async read(): Promise<ToolkitSpecs> {
    const known = new Map<string, SpecFile>();
    for (const folder of this.#folders) {
      const listed = await orWhenAbsent(readdir(folder), []);
      for (const name of listed.filter((each) => /^nvidia.*\.(yaml|json)$/.test(each)).toSorted()) {
        const path = join(folder, name);
        known.set(path, await this.#file(path));
      }
    }
    this.#known = known;
    const { names, conflicts } = inForce(known);
    return {
      names,
      files: [...known].filter(([, file]) => file.names !== null).map(([path]) => path),
      unreadable: [
        ...[...known].flatMap(([path, { error }]) => (error === null ? [] : [`${path}: ${error}`])),
        ...conflicts,
      ],
    };
  }

  async #file(path: string): Promise<SpecFile> {
    try {
      const found = await stat(path, { bigint: true });
      const { dev, ino, size, mtimeNs } = found;
      const version = `${dev}:${ino}:${size}:${mtimeNs}`;
      const before = this.#known.get(path);
      if (before?.version === version) return before;
      if (!found.isFile()) return { version, names: null, error: 'it is no file' };
      if (size > maxBytes) return { version, names: null, error: `it has more than ${maxBytes} bytes` };
      const text = await readFile(path, 'utf8');
      try {
        const { parse } = await import('yaml');
        return { version, names: gpuNames(parse(text)), error: null };
      } catch (thrown) {
        return { version, names: null, error: firstLine(thrown) };
      }
    } catch (thrown) {
      const error = firstLine(thrown);
      return orWhenAbsent(Promise.reject(thrown), { version: null, names: null, error });
    }
  }
}

/**
 * The names that a runtime finds: none that two files of one folder have, whatever other folders hold
 * (container-device-interface, pkg/cdi/cache.go).
 */
function inForce(known: ReadonlyMap<string, SpecFile>): {
  readonly names: ReadonlySet<string>;
  readonly conflicts: readonly string[];
} {
  const files = [...known].map(([path, { names }]) => ({ path, names: new Set(names) }));
  const conflicts = new Map<string, string>();
  for (const [at, { path, names }] of files.entries())
    for (const other of files.slice(at + 1).filter((each) => dirname(each.path) === dirname(path)))
      for (const name of names.intersection(other.names))
        conflicts.set(name, `${path} and ${other.path} describe the same devices, so runtimes take neither`);
  const all = new Set(files.flatMap(({ names }) => [...names]));
  return { names: all.difference(conflicts), conflicts: [...new Set(conflicts.values())] };
}

interface SpecFile {
  readonly version: string | null;
  /** `null` for a spec of another kind, or none. */
  readonly names: readonly string[] | null;
  readonly error: string | null;
}

function firstLine(thrown: unknown): string {
  return toError(thrown).message.split('\n', 1)[0] ?? '';
}

/** Names of the devices; `null` for a spec of another kind. */
function gpuNames(spec: unknown): readonly string[] | null {
  if (typeof spec !== 'object' || spec === null || !('kind' in spec) || spec.kind !== toolkitKind)
    return null;
  const devices: readonly unknown[] = 'devices' in spec && Array.isArray(spec.devices) ? spec.devices : [];
  return devices.flatMap((device) =>
    typeof device === 'object' && device !== null && 'name' in device && typeof device.name === 'string'
      ? [device.name]
      : [],
  );
}
