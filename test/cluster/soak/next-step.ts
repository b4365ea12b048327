import type { Random } from '../../../src/simulator/seeded-random.ts';
import {
  freeGpus,
  loadOf,
  type GpuStep,
  type Plan,
  type PodStep,
  type RestartStep,
  type Step,
} from './plan.ts';
import { choose, pick } from './random.ts';
import { type PodShape, randomShape } from './shape.ts';

/** How often each kind of step is drawn, in parts of the sum. A step that is not possible then is replaced by another. */
const weights = {
  create: 42,
  delete: 20,
  'kill-container': 10,
  gpu: 12,
  'restart-agent': 5,
  'take-over': 5,
  'restart-kubelet': 4,
  'restart-both': 2,
} as const satisfies Record<Step['kind'], number>;

/** Containers of one pod are killed no more often than this: the kubelet waits longer each time before it starts them again. */
const maxKills = 2;
/** So many GPUs can be bad or away at once. */
const maxBadGpus = 3;
/** So many pods can be there at once, those included that ended by themselves. */
const maxPods = 9;
/** With fewer pods it is rather made one than deleted one. */
const usualPods = 4;

const onePod: PodShape = {
  containers: [{ name: 'main', kind: 'app', gpus: 1, units: 0 }],
  endsAfterMs: null,
};

/** Draws the next step; it depends on the random numbers and the plan alone. */
export function nextStep(random: Random, plan: Plan): Step {
  const kind = drawKind(random);
  switch (kind) {
    case 'create':
    case 'delete':
    case 'kill-container':
      return podStep(random, plan, kind, random() < 0.6);
    case 'gpu':
      return gpuStep(random, plan);
    case 'restart-agent':
    case 'take-over':
    case 'restart-kubelet':
    case 'restart-both':
      return restartStep(random, plan, kind);
  }
}

function drawKind(random: Random): Step['kind'] {
  const entries = Object.entries(weights) as [Step['kind'], number][];
  let left = random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of entries) {
    left -= weight;
    if (left < 0) return kind;
  }
  return 'create';
}

/** What was drawn, or another thing where that is not possible. */
function podStep(random: Random, plan: Plan, drawn: PodStep['kind'], wait: boolean): PodStep {
  const kind = drawn === 'delete' && plan.pods.length < usualPods && random() < 0.8 ? 'create' : drawn;
  const step =
    kind === 'create'
      ? creation(random, plan, wait)
      : kind === 'kill-container'
        ? killing(random, plan)
        : undefined;
  if (step !== undefined) return step;
  const pod = choose(random, plan.pods);
  if (pod === undefined) return podStep(random, plan, 'create', wait);
  return { kind: 'delete', pod: pod.name, how: random() < 0.75 ? 'graceful' : 'forced', wait };
}

/** Where there are no pods there is always one. */
function creation(random: Random, plan: Plan, wait: boolean): PodStep | undefined {
  const large = randomShape(random);
  const free = freeGpus(plan);
  // One in ten may have to wait for a GPU; of the others those that are too large ask for one GPU.
  const shape = loadOf(large) <= free || random() < 0.1 ? large : onePod;
  const fits = loadOf(shape) <= free || (shape === large && free >= 0);
  const isPossible = plan.pods.length === 0 || (fits && plan.pods.length < maxPods);
  return isPossible ? { kind: 'create', pod: `p${plan.made}`, shape, wait } : undefined;
}

function killing(random: Random, { pods }: Plan): PodStep | undefined {
  const staying = pods.filter(({ shape, kills }) => shape.endsAfterMs === null && kills.length < maxKills);
  const pod = choose(random, staying);
  const running = pod?.shape.containers.filter(({ kind }) => kind !== 'init') ?? [];
  const container = choose(random, running);
  return pod === undefined || container === undefined
    ? undefined
    : { kind: 'kill-container', pod: pod.name, container: container.name };
}

function restartStep(random: Random, plan: Plan, kind: RestartStep['kind']): RestartStep {
  const signal = random() < 0.5 ? 'SIGTERM' : 'SIGKILL';
  const other = choose(random, ['create', 'create', 'delete', 'kill-container', null, null] as const) ?? null;
  const meanwhile = other === null ? null : podStep(random, plan, other, false);
  return { kind, signal, meanwhile };
}

function gpuStep(random: Random, plan: Plan): GpuStep {
  const bad = [...plan.gpus.keys()].filter((gpu) => plan.gpus[gpu] !== 'present');
  const back = choose(random, bad);
  if (back !== undefined && (bad.length === maxBadGpus || random() < 0.5))
    return { kind: 'gpu', gpu: back, state: 'present' };
  const well = [...plan.gpus.keys()].filter((gpu) => !bad.includes(gpu));
  return {
    kind: 'gpu',
    gpu: choose(random, well) ?? pick(random, plan.gpus.length),
    state: random() < 0.6 ? 'lost' : 'absent',
  };
}
