import type { GpuIncident, GpuSigns } from '../gpu-signs.ts';
import type { Snapshot } from '../gpu.ts';

/**
 * What the agent asks of its NVML helper process. `open` loads and initialises the library; `snapshot` does so too where
 * it has not been done.
 */
export type HostRequest = HostQuestion & { readonly id: number };

export type HostQuestion =
  /** `callMs`: how long one call of the events may take; the parent looks after those of its own questions. */
  | { readonly ask: 'open'; readonly callMs: number }
  /** `unwatched`: why events are not to be followed, or null. */
  | (LeaveOut & { readonly ask: 'snapshot'; readonly unwatched: string | null })
  /** Has the MIG mode or a MIG device of a GPU changed since the last snapshot? Told once. */
  | (LeaveOut & { readonly ask: 'mig' })
  /** How the GPUs of the last snapshot are. */
  | (LeaveOut & { readonly ask: 'signs' });

interface LeaveOut {
  /** GPUs that must not be touched, by index, with the reason to report in their place. */
  readonly leaveOut: Readonly<Record<number, string>>;
}

/** The answer to each question. */
export interface HostReplies {
  open: null;
  snapshot: Snapshot;
  /** What changed, in words; empty for nothing. */
  mig: string;
  signs: readonly GpuSigns[];
}
export type HostReply = HostReplies[keyof HostReplies];

/** What the helper sends: the step that it is about to take, any number of them, then one answer to each request; and news, unasked. */
export type HostMessage =
  | { readonly step: HostStep }
  | { readonly news: HostNews }
  | { readonly id: number; readonly answer: HostReply }
  | { readonly id: number; readonly failure: HostFailure };

/** What the driver told unasked. */
export type HostNews =
  | { readonly kind: 'incidents'; readonly incidents: readonly GpuIncident[] }
  /** A new snapshot is due. */
  | { readonly kind: 'changed'; readonly reason: string }
  /** A call for events does not come back: events are no longer followed, and only another process can. */
  | { readonly kind: 'stuck'; readonly reason: string };

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
