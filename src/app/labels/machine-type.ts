import { readFile } from 'node:fs/promises';

/** What the machine calls itself, from a file as the kernel has it; `null` when that cannot be read. */
export async function readMachineType(path: string): Promise<string | null> {
  try {
    return (await readFile(path, 'utf8')).slice(0, 1000).trim() || null;
  } catch {
    return null;
  }
}
