import type { AllocatableChange, NodeAmounts } from './allocatable.ts';
import type { Taint } from './health-taint.ts';

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

/** A condition of a node's status. */
export interface ConditionSeen {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  /** RFC 3339; `null`: now. */
  readonly lastTransitionTime: string | null;
}

/** Our condition in the status of one node. No call rejects, and each ends when its signal aborts. */
export interface ConditionApi extends AsyncDisposable {
  readCondition(
    signal: AbortSignal,
  ): Promise<ApiAnswer<NodeIdentity & { readonly condition: ConditionSeen | null }>>;
  /** Puts it in place, or takes it away (`null`), and leaves those of others alone. */
  writeCondition(condition: ConditionSeen | null, signal: AbortSignal): Promise<ApiAnswer<null>>;
}

/** A node's taints, and the version of the node that has them. */
export interface TaintsSeen extends NodeIdentity {
  readonly taints: readonly Taint[];
  readonly version: string;
}

/** The taints of one node. No call rejects, and each ends when its signal aborts. */
export interface TaintApi extends AsyncDisposable {
  readTaints(signal: AbortSignal): Promise<ApiAnswer<TaintsSeen>>;
  /** Writes all of them; a conflict when the node is of another version by now. */
  writeTaints(taints: readonly Taint[], version: string, signal: AbortSignal): Promise<ApiAnswer<null>>;
}

/** All that may be asked about one node. */
export interface NodeApi extends NodeStatusApi, NodeLabelApi, ConditionApi, TaintApi {}

export interface NodeApiOptions {
  readonly nodeName: string;
  /** `null`: the service account of the pod that the program runs in. */
  readonly kubeconfig: string | null;
  readonly timeoutMs: number;
}

/** What others say about a node in its metadata. */
export interface NodeMeta {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The same, and the version of the API server's records that says so. */
export interface NodeMetaSeen {
  readonly meta: NodeMeta;
  readonly version: string;
}

/** What of it is wanted, for a person who has to give the rights. */
export type MetaPart = 'labels' | 'annotations';

/** What an Event is about: the node itself, or a pod on it. */
export type EventSubject =
  | { readonly kind: 'node' }
  | { readonly kind: 'pod'; readonly namespace: string; readonly name: string; readonly uid: string };

/** Something that is told as an Event of Kubernetes. */
export interface ClusterEvent {
  readonly about: EventSubject;
  readonly type: 'Normal' | 'Warning';
  /** One word in upper camel case. */
  readonly reason: string;
  readonly message: string;
}

/** Where Events are written. No call rejects, and each ends when its signal aborts. */
export interface EventApi extends AsyncDisposable {
  /** Writes an Event; the same one again renews its time. */
  tell(event: ClusterEvent, signal: AbortSignal): Promise<ApiProblem | null>;
}

/** The metadata of one node, and what is told about it. No call rejects, and each ends when its signal aborts. */
export interface OwnNodeApi extends EventApi {
  readMeta(part: MetaPart, signal: AbortSignal): Promise<ApiAnswer<NodeMetaSeen>>;
  /** Hears of each change after a version, until that ends (`null`), after which it is to be read anew, or is refused. */
  watchMeta(
    part: MetaPart,
    version: string,
    see: (meta: NodeMeta) => void,
    signal: AbortSignal,
  ): Promise<ApiProblem | null>;
}
