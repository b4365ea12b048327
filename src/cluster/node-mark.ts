import type { ApiProblem } from './node-api.ts';

/** Something that a node shows at the API server and that is ours. No call rejects, and each ends when its signal aborts. */
export interface NodeMark<T> extends AsyncDisposable {
  /** How it is named in the log. */
  readonly name: string;
  /** Lets the node show it. Nothing is written when it does already. */
  write(wanted: T, signal: AbortSignal): Promise<MarkResult>;
  /** Takes it away. */
  remove(signal: AbortSignal): Promise<MarkResult>;
}

export type MarkResult =
  { readonly ok: true; readonly changed: boolean } | { readonly ok: false; readonly problem: ApiProblem };
