import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode, toError } from '../../lib/errors.ts';

/** The driver library under the name that its packages install for programs. */
const libraryName = 'libnvidia-ml.so.1';

/** Where distributions put the driver's libraries, under the driver root. */
const libraryFolders = [
  'usr/lib64',
  'usr/lib/x86_64-linux-gnu',
  'usr/lib/aarch64-linux-gnu',
  'lib64',
  'lib/x86_64-linux-gnu',
  'lib/aarch64-linux-gnu',
];

/**
 * The places to try, in order. A library named by the operator is the only candidate: silently taking another one would
 * hide a typing error. Without one, the usual folders under the driver root, then the loader's own search path.
 */
export function libraryCandidates(library: string | null, driverRoot: string): readonly string[] {
  if (library !== null) return [library];
  return [...libraryFolders.map((folder) => join(driverRoot, folder, libraryName)), libraryName];
}

/**
 * True where no helper would find a driver: none of the candidates is there, and a name that only the loader can look up
 * goes with no kernel driver (`driver/nvidia` in the procfs).
 */
export function isDriverAbsent(library: string | null, driverRoot: string, procfsRoot: string): boolean {
  return !libraryCandidates(library, driverRoot).some((candidate) =>
    existsSync(candidate.includes('/') ? candidate : join(procfsRoot, 'driver/nvidia')),
  );
}

/**
 * Why the file cannot be the driver library of this machine, or null when nothing speaks against it. A name without a
 * slash is left to the loader.
 * @param architecture of this process, in Node's words (`x64`, `arm64`)
 */
export function whyUnfit(path: string, architecture: string): string | null {
  if (!path.includes('/')) return null;
  const header = readHead(path);
  if (typeof header === 'string') return header;
  if (header.length < 20 || header.readUInt32BE(0) !== elfMagic)
    return 'not a shared library (no ELF header)';
  if (header[4] !== elfClass64) return 'a 32-bit library';
  const machine = header.readUInt16LE(18);
  const wanted = elfMachines[architecture];
  if (wanted === undefined || machine === wanted) return null;
  const built = Object.entries(elfMachines).find(([, number]) => number === machine)?.[0];
  return `built for ${built ?? `ELF machine ${machine}`}, but this machine is ${architecture}`;
}

const elfMagic = 0x7f454c46;
const elfClass64 = 2;
/** `e_machine` by Node's name of the architecture. */
const elfMachines: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };

/** The first bytes of a file, or why they cannot be read. */
function readHead(path: string): Buffer | string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (thrown) {
    return systemErrorCode(thrown) === 'ENOENT' ? 'no such file' : toError(thrown).message;
  }
  try {
    const head = Buffer.alloc(20);
    return head.subarray(0, readSync(file, head, 0, head.length, 0));
  } catch (thrown) {
    return systemErrorCode(thrown) === 'EISDIR' ? 'a folder, not a file' : toError(thrown).message;
  } finally {
    closeSync(file);
  }
}
