import type { Violation } from './observation.ts';
import type { RestartStep, Step } from './plan.ts';

/** What came of a soak. */
export interface SoakResult {
  readonly seed: number;
  readonly seconds: number;
  readonly gpus: number;
  readonly steps: Readonly<Record<Step['kind'], number>>;
  /** Pods that were made, by what became of them. */
  readonly pods: {
    readonly made: number;
    readonly admitted: number;
    readonly refused: Readonly<Record<string, number>>;
    /** Deleted before either. */
    readonly neither: number;
  };
  /** Of pods that neither had to wait for a GPU nor were disturbed: from their making until all their containers ran. */
  readonly admissionMs: readonly number[];
  /** From the signal (agent) or the kubelet's new socket until all GPUs could be given out again. */
  readonly availableMs: Readonly<Record<RestartStep['kind'], readonly number[]>>;
  readonly checks: {
    readonly all: number;
    /** Those in which the kubelet's pod resources were asked, too. */
    readonly withPodResources: number;
  };
  /** GPUs that a pod got while a container of a pod that was deleted by force still had them: Kubernetes' own limit. */
  readonly afterForce: readonly string[];
  readonly violations: readonly Violation[];
}
