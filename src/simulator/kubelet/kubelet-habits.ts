/**
 * What a kubelet does on its own and how long it takes, in milliseconds of the clock where not said otherwise. The
 * defaults are those of Kubernetes 1.36.
 */
export interface Habits {
  /**
   * Up to 1.36 a client is looked up by resource name when a stream of that resource ends, so that the end of an old
   * stream cuts the newest plugin; from 1.37 on (kubernetes/kubernetes#135437) only the client of that stream goes.
   */
  readonly disconnectByName: boolean;
  /** How long after the end of a stream the kubelet gets to looking its client up and hanging up on it. */
  readonly disconnectDelayMs: number;
  /** How long Register waits for the plugin's socket, in real milliseconds. */
  readonly dialTimeoutMs: number;
  /** After this long without a plugin a resource's capacity becomes 0. */
  readonly stopGraceMs: number;
  /** After a restart the pod resources API lists nothing for this long. */
  readonly listEmptyMs: number;
  /** After a restart the pods are admitted again this long after kubelet.sock appeared; until then List is partial. */
  readonly readmitAfterMs: number;
  /** Pause before a container whose start failed is started again. */
  readonly startRetryMs: number;
}

/** The habits of Kubernetes 1.36.3. */
export const defaultHabits: Habits = {
  disconnectByName: true,
  disconnectDelayMs: 0,
  dialTimeoutMs: 10_000,
  stopGraceMs: 5 * 60_000,
  listEmptyMs: 450,
  readmitAfterMs: 900,
  startRetryMs: 10_000,
};
