import type { AllocatableChange, NodeAmounts } from './allocatable.ts';

/** What can keep a node's status from being read or written. */
export type ApiProblemKind =
  /** The API server says no: access is missing, or a policy forbids it. */
  | 'refused'
  | 'no-node'
  /** The name is that of a node on another machine. */
  | 'other-machine'
  /** There is no way to the API server: no token, no usable kubeconfig. */
  | 'no-access'
  | 'conflict'
  /** The API server asks for patience. */
  | 'throttled'
  | 'unreachable'
  | 'failed';

export interface ApiProblem {
  readonly kind: ApiProblemKind;
  /** One line for a person. */
  readonly message: string;
  /** How long the API server wants to be left alone. */
  readonly retryAfterMs: number;
}

export type ApiAnswer<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: ApiProblem };

/** One node's status at the API server. No call rejects, and each ends when its signal aborts. */
export interface NodeApi extends AsyncDisposable {
  read(signal: AbortSignal): Promise<ApiAnswer<NodeAmounts>>;
  /** Writes the amounts and leaves everything else alone. */
  write(change: AllocatableChange, signal: AbortSignal): Promise<ApiAnswer<NodeAmounts>>;
}

export interface NodeApiOptions {
  readonly nodeName: string;
  /** `null`: the service account of the pod that the program runs in. */
  readonly kubeconfig: string | null;
  readonly timeoutMs: number;
}
