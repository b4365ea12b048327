import type { Gpu } from '../inventory/gpu.ts';
import { hardwareIndex, type PlannedDevice } from './planned-device.ts';
import { matchesWildcard } from '../lib/wildcard.ts';

/** A GPU, or a MIG instance of it, as a reference may name it. */
export interface Referable extends Pick<PlannedDevice, 'gpu' | 'mig'> {
  readonly gpu: PlannedDevice['gpu'] & Pick<Gpu, 'pciBusId' | 'name'>;
  /** `<gpu instance>/<compute instance>`, as UUIDs of older drivers end. */
  readonly instanceIds: string | null;
}

/**
 * True when the reference names the device, or the GPU that the device is a part of: `0`, `GPU-<uuid>`, `0:1`, `MIG-<uuid>`,
 * `MIG-GPU-<uuid>/<gpu instance>/<compute instance>`. Upper and lower case of a UUID are the same.
 */
export function namesDevice(reference: string, device: Referable): boolean {
  const { gpu, mig, instanceIds } = device;
  const wanted = reference.toLowerCase();
  const names = [
    String(gpu.index),
    gpu.uuid,
    ...(mig === null ? [] : [hardwareIndex(device), mig.uuid, `MIG-${gpu.uuid}/${instanceIds}`]),
  ];
  return names.some((name) => name.toLowerCase() === wanted);
}

/** As `namesDevice`, and by a PCI address (`0000:1b:00.0`, `1b:00.0`) or a pattern of the product's name too. */
export function excludes(reference: string, device: Referable): boolean {
  const { pciBusId, name } = device.gpu;
  const address = fullAddress(reference);
  if (address !== null) return pciBusId !== null && fullAddress(pciBusId) === address;
  return namesDevice(reference, device) || matchesWildcard(reference, name);
}

/** A PCI address with all eight digits of its domain; `null` for anything else. */
function fullAddress(text: string): string | null {
  const parts = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/.exec(text.toLowerCase());
  return parts === null ? null : `${(parts[1] ?? '').padStart(8, '0')}:${parts[2]}`;
}
