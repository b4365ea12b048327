import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { compileAgainstHeader, type Found } from './nvml-header.ts';

export interface StandInOptions {
  /** C names of calls that the library shall not have, like an old driver. */
  readonly without?: readonly string[];
}

/** The project's own libnvidia-ml (see the README beside its sources), compiled if need be. */
export async function standInLibrary({ without = [] }: StandInOptions = {}): Promise<Found> {
  const files = (await readdir(folder)).map((file) => join(folder, file)).sort();
  return compileAgainstHeader(
    'libnvidia-ml.so.1',
    files.filter((file) => file.endsWith('.c')),
    ['-shared', '-fPIC', ...without.map((call) => `-D${call}=without_${call}`)],
    files.filter((file) => file.endsWith('.h')),
  );
}

/** The library that fault-free tests run on: the one named by `NVML_LIBRARY`, else the stand-in. */
export async function anyLibrary(): Promise<Found> {
  const named = process.env['NVML_LIBRARY'];
  return named === undefined || named === '' ? standInLibrary() : { path: named };
}

/**
 * A C program that asks any libnvidia-ml, given as its argument, for its inventory and prints it: an oracle that shares
 * neither language nor declarations with the program under test.
 */
export async function inventoryOracle(): Promise<Found> {
  return compileAgainstHeader('ask', [join(folder, 'oracle/ask.c')], []);
}

/** How a test starts this program as the helper process of the driver. */
export const thisProgram = {
  executable: process.execPath,
  script: join(import.meta.dirname, '../../src/main.ts'),
  options: [],
} as const;

const folder = join(import.meta.dirname, 'nvml-stand-in');
