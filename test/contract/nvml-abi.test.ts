import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { offsetOf, sizeOf } from '../../src/inventory/nvml/bind.ts';
import { prototypes } from '../../src/inventory/nvml/bindings.ts';
import {
  architectures,
  constants,
  recoveryActionNumbers,
  topologyLevels,
} from '../../src/inventory/nvml/constants.ts';
import { scalarTypes, structs } from '../../src/inventory/nvml/layouts.ts';
import { returnCodes } from '../../src/inventory/nvml/return-codes.ts';
import { compileAgainstHeader, mustSkip } from '../support/nvml-header.ts';
import { inventoryOracle } from '../support/nvml-library.ts';

// Whatever compiles against the header tells whether the header and a compiler are here.
const skip = mustSkip(await inventoryOracle(), 'the comparison of the NVML declarations with nvml.h');

/** Everything declared that has a number: as C expressions, with the value that the program uses. */
const numbers: readonly (readonly [expression: string, value: number])[] = [
  ...structNames().flatMap((struct) => [
    [`sizeof(${struct})`, sizeOf(struct)] as const,
    ...Object.keys(structs[struct]).flatMap((field) => [
      [`offsetof(${struct}, ${field})`, offsetOf(struct, field)] as const,
      [`sizeof(((${struct} *)0)->${field})`, fieldSize(structs[struct], field)] as const,
    ]),
  ]),
  ...Object.entries(scalarTypes).map(([type]) => [`sizeof(${type})`, 4] as const),
  ...Object.entries(constants),
  ...Object.entries(architectures).map(([name, [value]]) => [`NVML_DEVICE_ARCH_${name}`, value] as const),
  ...Object.entries(topologyLevels).map(([name, [value]]) => [`NVML_TOPOLOGY_${name}`, value] as const),
  ...Object.entries(returnCodes).map(([code, [name]]) => [`NVML_ERROR_${name}`, Number(code)] as const),
  ...Object.entries(recoveryActionNumbers).map(
    ([name, [value]]) => [`NVML_GPU_RECOVERY_ACTION_${name}`, value] as const,
  ),
  ['nvmlEccSramErrorStatus_v1', sizeOf('nvmlEccSramErrorStatus_t') | (1 << 24)],
  ['nvmlMemory_v2', sizeOf('nvmlMemory_v2_t') | (2 << 24)],
  ['nvmlGpuFabricInfo_v2', sizeOf('nvmlGpuFabricInfo_v2_t') | (2 << 24)],
  ['nvmlGpuInstanceProfileInfo_v2', sizeOf('nvmlGpuInstanceProfileInfo_v2_t') | (2 << 24)],
];

describe.skipIf(skip)('the NVML declarations agree with nvml.h', () => {
  test('sizes, offsets and constants', async () => {
    const prints = numbers.map(([expression]) => `  printf("%lld\\n", (long long)(${expression}));`);
    const output = await runC('#include <stdio.h>\n#include <stddef.h>', [
      'int main(void) {',
      ...prints,
      '}',
    ]);
    const fromHeader = output.trim().split('\n').map(Number);
    expect(numbers.length).toBeGreaterThan(60);
    expect(Object.fromEntries(numbers)).toEqual(
      Object.fromEntries(numbers.map(([expression], row) => [expression, fromHeader[row]])),
    );
  });

  test('every prototype: the compiler refuses one that differs from the header’s', async () => {
    const declared = Object.values(prototypes)
      .flat()
      .map((prototype) => `${prototype.replaceAll(/_(In)?[Oo]ut_ /g, '')};`);
    expect(declared.length).toBeGreaterThan(20);
    await runC('', [...declared, 'int main(void) { return 0; }']);
    const wrong = declared.map((line) =>
      line.replace(
        'nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int',
        'nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned long',
      ),
    );
    await expect(runC('', [...wrong, 'int main(void) { return 0; }'])).rejects.toThrow(/conflicting types/);
  });

  test('the header has no return code that the table lacks', async () => {
    const known = Object.values(returnCodes).map(([name]) => `case NVML_ERROR_${name}:`);
    // -Wswitch makes a missing member of the enum an error.
    const body = ['int main(void) {', '  nvmlReturn_t code = NVML_SUCCESS;', '  switch (code) {'];
    await runC('', [...body, '  case NVML_SUCCESS:', ...known, '    return 0;', '  }', '  return 1;', '}']);
  });
});

function structNames(): readonly (keyof typeof structs)[] {
  return Object.keys(structs) as (keyof typeof structs)[];
}

/** Size of a field as its declared C type has it. */
function fieldSize(fields: Readonly<Record<string, string>>, field: string): number {
  const type = fields[field] ?? '';
  const bytes = /^(?:char|uint8_t) \[(\d+)\]$/.exec(type)?.[1];
  if (bytes !== undefined) return Number(bytes);
  if (type === 'uint8_t') return 1;
  return ['uint64_t', 'int64_t', 'nvmlDevice_t'].includes(type) ? 8 : 4;
}

/** Compiles and runs a program that includes nvml.h; its standard output. */
async function runC(includes: string, lines: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sw-abi-'));
  try {
    const source = join(folder, 'abi.c');
    const head = ['#define NVML_NO_UNVERSIONED_FUNC_DEFS', '#include "nvml.h"', includes];
    await writeFile(source, [...head, ...lines, ''].join('\n'));
    const program = await compileAgainstHeader('abi', [source], []);
    if ('missing' in program) throw new Error(program.missing);
    return execFileSync(program.path, { encoding: 'utf8' });
  } finally {
    await rm(folder, { recursive: true });
  }
}
