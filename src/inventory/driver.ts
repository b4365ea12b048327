import { OperatorError } from '../lib/errors.ts';
import type { GpuIncident, GpuSigns } from './gpu-signs.ts';
import type { Snapshot } from './gpu.ts';

/** The way to the GPUs of this node. Adapters: nvml, smi, simulated; a variation is another adapter or a wrapper. */
export interface Driver extends AsyncDisposable {
  /**
   * Reads all GPUs afresh. One GPU that fails is marked with its error; the call itself rejects only when nothing can be
   * read.
   * @throws DriverError
   */
  snapshot(): Promise<Snapshot>;
  /**
   * Asks each GPU how it is, which is less work than a snapshot and changes nothing. A GPU that does not answer is in the list
   * with `lost`; one that the driver does not name, and that was never named, is not in it.
   * @throws DriverError when nothing can be asked
   */
  signs(): Promise<readonly GpuSigns[]>;
  /** What the driver tells unasked, until the signal aborts (the loop then ends quietly). One reader at a time. */
  events(signal: AbortSignal): AsyncIterable<DriverEvent>;
}

export type DriverEvent =
  /** The set of GPUs or MIG instances may be another one: take a new snapshot. */
  | { readonly kind: 'inventory-changed'; readonly reason: string }
  /** The adapter had to open the driver again, for example because its helper process died. */
  | { readonly kind: 'driver-restarted'; readonly reason: string }
  /** Something befell a GPU; told once. The signs may be others now. */
  | { readonly kind: 'incident'; readonly incident: GpuIncident };

/** Nothing can be read from the driver. `no-driver`: there is none; `driver-failed`: there is one and it did not answer. */
export class DriverError extends OperatorError {
  override readonly name = 'DriverError';
  declare readonly code: DriverErrorCode;

  constructor(code: DriverErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}

export type DriverErrorCode = 'no-driver' | 'driver-failed';
