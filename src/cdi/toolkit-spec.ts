import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
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
      const listed = await readdir(folder).catch(() => []);
      for (const name of listed.filter((each) => /^nvidia.*\.(yaml|json)$/.test(each)).toSorted()) {
        const path = join(folder, name);
        known.set(path, await this.#file(path));
      }
    }
    this.#known = known;
    const readable = [...known].filter(([, { names }]) => names !== null);
    return {
      names: new Set(readable.flatMap(([, { names }]) => names ?? [])),
      files: readable.map(([path]) => path),
      unreadable: [...known].flatMap(([path, { error }]) => (error === null ? [] : [`${path}: ${error}`])),
    };
  }

  async #file(path: string): Promise<SpecFile> {
    try {
      const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
      const version = `${dev}:${ino}:${size}:${mtimeNs}`;
      const before = this.#known.get(path);
      if (before?.version === version) return before;
      const text = await readFile(path, 'utf8');
      try {
        const { parse } = await import('yaml');
        return { version, names: gpuNames(parse(text)), error: null };
      } catch (thrown) {
        return { version, names: null, error: firstLine(thrown) };
      }
    } catch (thrown) {
      return { version: null, names: null, error: firstLine(thrown) };
    }
  }
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
