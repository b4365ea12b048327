import type { PciInfo } from './layouts.ts';

/** The text up to the terminating zero. */
export function textOf(buffer: Buffer): string {
  const end = buffer.indexOf(0);
  return buffer.toString('utf8', 0, end === -1 ? buffer.length : end);
}

/**
 * Domain (eight digits), bus, device and function in lower case. Old versions of the call leave `busId` empty; a GPU is
 * function 0 of its device.
 */
export function pciBusIdOf(pci: Partial<PciInfo>): string {
  const match = /^([0-9a-f]+):([0-9a-f]+:[0-9a-f]+\.[0-9a-f]+)$/i.exec(pci.busId ?? '');
  if (match !== null) return `${(match[1] ?? '').padStart(8, '0')}:${match[2] ?? ''}`.toLowerCase();
  const digits = (value: number | undefined, width: number): string =>
    (value ?? 0).toString(16).padStart(width, '0');
  return `${digits(pci.domain, 8)}:${digits(pci.bus, 2)}:${digits(pci.device, 2)}.0`;
}
