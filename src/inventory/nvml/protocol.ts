import type { Snapshot } from '../gpu.ts';

/**
 * What the agent asks of its NVML helper process. `open` loads and initialises the library; `snapshot` does so too where
 * it has not been done.
 */
export type HostRequest =
  | { readonly id: number; readonly ask: 'open' }
  | {
      readonly id: number;
      /** `mig`: has the MIG mode or a MIG device of a GPU changed since the last snapshot? Told once. */
      readonly ask: 'snapshot' | 'mig';
      /** GPUs that must not be touched, by index, with the reason to report in their place. */
      readonly leaveOut: Readonly<Record<number, string>>;
    };

/** What the helper sends: the step that it is about to take, any number of them, then one answer to each request. */
export type HostMessage =
  | { readonly step: HostStep }
  | { readonly id: number; readonly answer: HostReply }
  | { readonly id: number; readonly failure: HostFailure };

/** A snapshot; what changed of MIG, in words, or an empty text; null to `open`. */
export type HostReply = Snapshot | string | null;

/** Something that the driver may be slow at, or hang or crash in. */
export type HostStep =
  | { readonly at: 'open' }
  | { readonly at: 'count' }
  /** `first`: the first touch since the library was opened, which may have to wake the GPU up. */
  | { readonly at: 'gpu'; readonly gpu: number; readonly first: boolean }
  | { readonly at: 'links'; readonly gpu: number };

/** A `DriverError` on its way through the channel. */
export interface HostFailure {
  readonly code: 'no-driver' | 'driver-failed';
  readonly message: string;
}
