import type { PodShape } from './shape.ts';
import { maxUnits, needOf } from './shape.ts';

/** How a GPU is: well, answering with errors, or not there. */
export type GpuState = 'present' | 'lost' | 'absent';
export type EndSignal = 'SIGTERM' | 'SIGKILL';

/** What is done to a pod. It is not waited for when `wait` is false: then the next step comes in between. */
export type PodStep =
  | { readonly kind: 'create'; readonly pod: string; readonly shape: PodShape; readonly wait: boolean }
  | {
      readonly kind: 'delete';
      readonly pod: string;
      readonly how: 'graceful' | 'forced';
      readonly wait: boolean;
    }
  | { readonly kind: 'kill-container'; readonly pod: string; readonly container: string };

/** An end and a new start of the agent, the kubelet or both; `meanwhile` is done when the old is ending or has ended. */
export interface RestartStep {
  readonly kind: 'restart-agent' | 'take-over' | 'restart-kubelet' | 'restart-both';
  readonly signal: EndSignal;
  readonly meanwhile: PodStep | null;
}

export interface GpuStep {
  readonly kind: 'gpu';
  readonly gpu: number;
  readonly state: GpuState;
}

export type Step = PodStep | RestartStep | GpuStep;

export interface PlannedPod {
  readonly name: string;
  readonly shape: PodShape;
  /** Containers of it that were killed, one entry each time. */
  readonly kills: readonly string[];
}

/**
 * What the soak has asked for so far. It depends on the steps alone, never on what became of them, so that a seed gives the
 * same steps again.
 */
export interface Plan {
  /** Number of pods ever made: names are not used twice. */
  readonly made: number;
  /** Those that were not deleted, the oldest first. */
  readonly pods: readonly PlannedPod[];
  readonly gpus: readonly GpuState[];
}

export function newPlan(gpus: number): Plan {
  return { made: 0, pods: [], gpus: Array.from({ length: gpus }, () => 'present') };
}

/**
 * GPUs that are well and asked for by nobody, as far as can be said before it is known which memory lies where; less than 0 when GPUs
 * broke under pods or pods wait.
 */
export function freeGpus({ pods, gpus }: Plan): number {
  const asked = pods.reduce((sum, { shape }) => sum + loadOf(shape), 0);
  return gpus.filter((state) => state === 'present').length - asked;
}

/** How many GPUs a pod keeps busy: shares lie side by side on the same GPUs, with holes left over. */
export function loadOf(shape: PodShape): number {
  return needOf(shape, 'gpus') + Math.ceil(needOf(shape, 'units') / maxUnits);
}

/** The plan after a step. */
export function planAfter(plan: Plan, step: Step): Plan {
  switch (step.kind) {
    case 'create': {
      const pod: PlannedPod = { name: step.pod, shape: step.shape, kills: [] };
      return { ...plan, made: plan.made + 1, pods: [...plan.pods, pod] };
    }
    case 'delete':
      return { ...plan, pods: plan.pods.filter(({ name }) => name !== step.pod) };
    case 'kill-container': {
      const killed = (pod: PlannedPod): PlannedPod => ({ ...pod, kills: [...pod.kills, step.container] });
      return { ...plan, pods: plan.pods.map((pod) => (pod.name === step.pod ? killed(pod) : pod)) };
    }
    case 'gpu':
      return { ...plan, gpus: plan.gpus.with(step.gpu, step.state) };
    case 'restart-agent':
    case 'take-over':
    case 'restart-kubelet':
    case 'restart-both':
      return step.meanwhile === null ? plan : planAfter(plan, step.meanwhile);
  }
}

/** A step in a few words, for the step log. */
export function describeStep(step: Step): string {
  switch (step.kind) {
    case 'create': {
      const asked = step.shape.containers
        .map(({ name, gpus, units }) => `${name} ${units > 0 ? `${units} GiB` : gpus}`)
        .join(', ');
      const ends = step.shape.endsAfterMs === null ? '' : `, ends after ${step.shape.endsAfterMs} ms`;
      return `create ${step.pod} (${asked}${ends})${step.wait ? '' : ', going on'}`;
    }
    case 'delete':
      return `delete ${step.pod}, ${step.how}${step.wait ? '' : ', going on'}`;
    case 'kill-container':
      return `kill ${step.pod}/${step.container}`;
    case 'gpu':
      return `GPU ${step.gpu} ${step.state}`;
    case 'restart-agent':
    case 'take-over':
    case 'restart-kubelet':
    case 'restart-both': {
      const meanwhile = step.meanwhile === null ? '' : `, meanwhile ${describeStep(step.meanwhile)}`;
      return `${step.kind} by ${step.signal}${meanwhile}`;
    }
  }
}
