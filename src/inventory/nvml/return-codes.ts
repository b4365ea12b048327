/**
 * `nvmlReturn_t`: the code's name in `nvml.h` without `NVML_ERROR_`, and what it means to a person. The table is
 * compared with the header by a test.
 */
export const returnCodes: Readonly<Record<number, readonly [name: string, words: string]>> = {
  1: ['UNINITIALIZED', 'the library was not initialised'],
  2: ['INVALID_ARGUMENT', 'the library refused an argument'],
  3: ['NOT_SUPPORTED', 'this GPU does not support the question'],
  4: ['NO_PERMISSION', 'this process is not permitted to ask'],
  5: ['ALREADY_INITIALIZED', 'the library was initialised before'],
  6: ['NOT_FOUND', 'there is no such thing'],
  7: ['INSUFFICIENT_SIZE', 'the answer does not fit the space given'],
  8: ['INSUFFICIENT_POWER', 'the external power cables of the GPU are not properly attached'],
  9: ['DRIVER_NOT_LOADED', 'the NVIDIA kernel driver is not loaded'],
  10: ['TIMEOUT', 'the driver took too long'],
  11: ['IRQ_ISSUE', 'the kernel driver found a problem with the interrupts of the GPU'],
  12: ['LIBRARY_NOT_FOUND', 'a part of the driver library was not found'],
  13: ['FUNCTION_NOT_FOUND', 'this version of the library does not have the call'],
  14: ['CORRUPTED_INFOROM', 'the infoROM of the GPU is corrupted'],
  15: ['GPU_IS_LOST', 'the GPU has fallen off the bus or cannot be reached'],
  16: ['RESET_REQUIRED', 'the GPU must be reset before it can be used again'],
  17: ['OPERATING_SYSTEM', 'the operating system or a cgroup blocks the control device of the GPU'],
  18: ['LIB_RM_VERSION_MISMATCH', 'the library and the loaded kernel driver are of different versions'],
  19: ['IN_USE', 'the GPU is in use'],
  20: ['MEMORY', 'out of memory'],
  21: ['NO_DATA', 'there is no data'],
  22: ['VGPU_ECC_NOT_SUPPORTED', 'not available while ECC is on'],
  23: ['INSUFFICIENT_RESOURCES', 'out of a resource other than memory'],
  24: ['FREQ_NOT_SUPPORTED', 'the frequency is not supported'],
  25: ['ARGUMENT_VERSION_MISMATCH', 'the library does not know this version of a structure'],
  26: ['DEPRECATED', 'the call is no longer supported'],
  27: ['NOT_READY', 'the system is not ready yet'],
  28: ['GPU_NOT_FOUND', 'no GPU was found'],
  29: ['INVALID_STATE', 'the GPU is not in the right state'],
  30: ['RESET_TYPE_NOT_SUPPORTED', 'the kind of reset is not supported'],
  999: ['UNKNOWN', 'an internal error of the driver'],
};

/** A call to the driver library that returned something else than success. */
export class NvmlError extends Error {
  override readonly name = 'NvmlError';
  /** `nvmlReturn_t`. */
  readonly returnCode: number;

  /** @param driverWords what the library itself says of a code that the table does not know */
  constructor(call: string, returnCode: number, driverWords: string | null = null) {
    const [name, words] = returnCodes[returnCode] ?? [
      String(returnCode),
      driverWords ?? 'an unknown error code',
    ];
    super(`${call}: ${words} (NVML error ${name})`);
    this.returnCode = returnCode;
  }
}

/** True for codes that say "there is no answer to this question", which are no fault of the GPU. */
export function saysNothing(code: number): boolean {
  return silentCodes.has(code);
}

/** NO_PERMISSION, NOT_FOUND, NO_DATA and DEPRECATED beside NOT_SUPPORTED and FUNCTION_NOT_FOUND. */
const silentCodes: ReadonlySet<number> = new Set([3, 4, 6, 13, 21, 26]);
