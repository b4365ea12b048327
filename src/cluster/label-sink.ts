/** A place that shows a node's labels. No call rejects, and each ends when its signal aborts. */
export interface LabelSink extends AsyncDisposable {
  /** Lets the place show these labels, and no others of ours. What is somebody else's stays as it is. */
  write(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<SinkResult>;
  /** Takes our labels away; nothing else. */
  remove(signal: AbortSignal): Promise<SinkResult>;
}

export type SinkResult =
  | {
      readonly ok: true;
      /** After which time it is worth while to write the same again; `null`: never. */
      readonly againMs: number | null;
    }
  | {
      readonly ok: false;
      /** One line for a person: what failed, and what to do. */
      readonly problem: string;
      readonly retryAfterMs: number;
    };
