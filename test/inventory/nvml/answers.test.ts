import { describe, expect, test } from 'vitest';
import { pciBusIdOf, textOf } from '../../../src/inventory/nvml/answers.ts';
import { NvmlError } from '../../../src/inventory/nvml/return-codes.ts';

describe('answers of the driver library', () => {
  test.each([
    { what: 'as new drivers write it', pci: { busId: '00000000:1B:00.0' }, id: '00000000:1b:00.0' },
    { what: 'with a short domain', pci: { busId: '0001:C3:00.0' }, id: '00000001:c3:00.0' },
    { what: 'a virtual function', pci: { busId: '00000000:1B:00.4' }, id: '00000000:1b:00.4' },
    {
      what: 'numbers alone',
      pci: { busId: '', domain: 0x10000, bus: 0xc3, device: 5 },
      id: '00010000:c3:05.0',
    },
  ])('PCI address: $what', ({ pci, id }) => {
    expect(pciBusIdOf(pci)).toBe(id);
  });

  test('a text ends at its zero, or with its buffer', () => {
    expect(textOf(Buffer.from('GPU-1\0garbage'))).toBe('GPU-1');
    expect(textOf(Buffer.from('GPU-1'))).toBe('GPU-1');
    expect(textOf(Buffer.alloc(4))).toBe('');
  });

  test('an error names the call, what it means, and the name to search for', () => {
    expect(new NvmlError('nvmlInit_v2', 9).message).toBe(
      'nvmlInit_v2: the NVIDIA kernel driver is not loaded (NVML error DRIVER_NOT_LOADED)',
    );
    expect(new NvmlError('nvmlInit_v2', 31, 'A New Error').message).toBe(
      'nvmlInit_v2: A New Error (NVML error 31)',
    );
    expect(new NvmlError('nvmlInit_v2', 31).message).toBe(
      'nvmlInit_v2: an unknown error code (NVML error 31)',
    );
  });
});
