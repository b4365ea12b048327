import type { AllocatableChange, NodeAmounts } from './allocatable.ts';

/** What can keep something of a node from being read or written. */
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
  /** Of a conflict in a server-side apply: the fields that other managers have set otherwise, as `.metadata.labels.<name>`. */
  readonly fields?: readonly string[];
}

export type ApiAnswer<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: ApiProblem };

/** Which node it is. */
export interface NodeIdentity {
  /** The API object's own: another one when the node was deleted and made anew. */
  readonly uid: string;
  /** The kernel's boot id as the kubelet has reported it; `null` when it has not. */
  readonly bootId: string | null;
}

/** One node's status at the API server. No call rejects, and each ends when its signal aborts. */
export interface NodeStatusApi extends AsyncDisposable {
  read(signal: AbortSignal): Promise<ApiAnswer<NodeAmounts>>;
  /** Writes the amounts and leaves everything else alone. */
  write(change: AllocatableChange, signal: AbortSignal): Promise<ApiAnswer<NodeAmounts>>;
}

/** One node's labels at the API server. No call rejects, and each ends when its signal aborts. */
export interface NodeLabelApi extends AsyncDisposable {
  identify(signal: AbortSignal): Promise<ApiAnswer<NodeIdentity>>;
  /**
   * Server-side apply with the field manager `slicewise-labels`: of the labels that it applied before, those that are not named here are
   * taken away. A label that somebody else has set otherwise makes it a conflict, and nothing is changed then.
   * @param uid of the node that is meant; another one, or none, is a conflict
   */
  applyLabels(
    labels: Readonly<Record<string, string>>,
    uid: string,
    signal: AbortSignal,
  ): Promise<ApiAnswer<null>>;
}

export interface NodeApi extends NodeStatusApi, NodeLabelApi {}

export interface NodeApiOptions {
  readonly nodeName: string;
  /** `null`: the service account of the pod that the program runs in. */
  readonly kubeconfig: string | null;
  readonly timeoutMs: number;
}

export type Labels = Readonly<Record<string, string>>;

/** A node's labels, and the version of the API server's records that says so. */
export interface LabelsSeen {
  readonly labels: Labels;
  readonly version: string;
}

/** Something that is told about the node, as an Event of Kubernetes. */
export interface NodeEvent {
  readonly type: 'Normal' | 'Warning';
  /** One word in upper camel case. */
  readonly reason: string;
  readonly message: string;
}

/** The labels of one node, and what is told about it. No call rejects, and each ends when its signal aborts. */
export interface OwnNodeApi extends AsyncDisposable {
  readLabels(signal: AbortSignal): Promise<ApiAnswer<LabelsSeen>>;
  /** Hears of each change after a version, until that ends (`null`), after which they are to be read anew, or is refused. */
  watchLabels(
    version: string,
    see: (labels: Labels) => void,
    signal: AbortSignal,
  ): Promise<ApiProblem | null>;
  /** Writes an Event; the same one again renews its time. */
  tell(event: NodeEvent, signal: AbortSignal): Promise<ApiProblem | null>;
}
