import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../../src/simulator/seeded-random.ts';
import type { ClusterNode } from '../support/cluster-node.ts';
import { readRunningContainers } from '../support/oracle.ts';
import { gpuPod } from '../support/pod-spec.ts';
import { patienceMs } from '../support/wait.ts';
import { act } from './act.ts';
import { Agents } from './agents.ts';
import { Disturbances } from './disturbances.ts';
import { soakMemory } from './gpus-of-soak.ts';
import { Judge } from './judge.ts';
import { nextStep } from './next-step.ts';
import { describeStep, newPlan, planAfter, type Step } from './plan.ts';
import { PodWatch } from './pod-watch.ts';
import type { SoakResult } from './result.ts';
import { type Scene, waitUntilUsable } from './scene.ts';
import { Suspects } from './suspects.ts';

/** After a disturbance the node's status is sent within a second here, and the scheduler and the kubelet act on it. */
const afterglowMs = 5000;
/** All must be free so soon after the last pod has gone. */
const freeWithinMs = 30_000;

export interface SoakOptions {
  readonly seed: number;
  /** It ends with whichever comes first. */
  readonly steps: number;
  readonly durationMs: number;
  /** Takes each line of the step log. */
  readonly log: (line: string) => void;
  readonly progress: (text: string) => void;
  /** Takes the log of every agent in the end, the oldest first. */
  readonly keepAgentLogs: (logs: Agents['logs']) => Promise<void>;
}

/** Lets a node live through random steps and judges it after each; ends early with the first violation. */
export async function soak(node: ClusterNode, options: SoakOptions): Promise<SoakResult> {
  const startMs = performance.now();
  const random = seededRandom(options.seed);
  const counts: Record<Step['kind'], number> = {
    create: 0,
    delete: 0,
    'kill-container': 0,
    gpu: 0,
    'restart-agent': 0,
    'take-over': 0,
    'restart-kubelet': 0,
    'restart-both': 0,
  };
  const say = (line: string): void =>
    options.log(`${((performance.now() - startMs) / 1000).toFixed(1).padStart(6)} s  ${line}`);
  await using watch = new PodWatch(node.pods);
  const agents = await Agents.of(node, soakMemory);
  const scene: Scene = {
    node,
    watch,
    agents,
    disturbances: new Disturbances(afterglowMs),
    known: new Map(),
    uids: new Map(),
    violations: [],
    suspects: new Suspects(),
    availableMs: { 'restart-agent': [], 'take-over': [], 'restart-kubelet': [], 'restart-both': [] },
    plan: newPlan(node.gpus.ids.length),
    serving: agents.start(),
    restlessUntilMs: 0,
  };
  await waitUntilUsable(scene, scene.plan);
  const judge = await Judge.of(scene, node);

  const isOver = (done: number): boolean =>
    scene.violations.length > 0 || done >= options.steps || performance.now() - startMs > options.durationMs;
  try {
    for (let done = 0; !isOver(done); done += 1) {
      const step = nextStep(random, scene.plan);
      options.progress(`step ${done + 1}, ${scene.plan.pods.length} pods: ${describeStep(step)}`);
      say(`${done + 1}  ${describeStep(step)}`);
      await act(scene, step);
      scene.plan = planAfter(scene.plan, step);
      counts[step.kind] += 1;
      if ('meanwhile' in step && step.meanwhile !== null) counts[step.meanwhile.kind] += 1;
      const open = await judge.check();
      if (open.length > 0) say(`  not agreed: ${open.join('; ')}`);
    }
    options.progress('all pods go and all GPUs come back');
    if (scene.violations.length === 0) await finish(scene, judge, say);
  } catch (thrown) {
    scene.violations.push({ rule: 'every step comes to its end', detail: String(thrown) });
  } finally {
    agents.finish();
    scene.violations.push(...agents.violations.splice(0));
    await options.keepAgentLogs(agents.logs);
  }
  for (const { rule, detail } of scene.violations) say(`VIOLATION: ${rule}: ${detail}`);
  return {
    seed: options.seed,
    seconds: (performance.now() - startMs) / 1000,
    gpus: node.gpus.ids.length,
    steps: counts,
    ...sumUp(scene, judge),
    availableMs: scene.availableMs,
    checks: { all: judge.checks, withPodResources: judge.withPodResources },
    afterForce: [...judge.afterForce],
    violations: scene.violations,
  };
}

/** Everything can be had again: the node is as at the start, and one pod gets all GPUs. */
async function finish(scene: Scene, judge: Judge, say: (line: string) => void): Promise<void> {
  const { node, violations } = scene;
  say('the end: all pods go and all GPUs come back');
  for (const gpu of scene.plan.gpus.keys()) await node.gpus.set(gpu, 'present');
  await node.pods.deleteAll();
  scene.plan = newPlan(node.gpus.ids.length);
  const all = node.gpus.ids.length;
  await node.waitForAmount({ capacity: all, allocatable: all }, freeWithinMs);
  const { metadata } = await node.pods.run(gpuPod('whole', all));
  const running = await readRunningContainers(node.cluster);
  const gpus = running.find(({ podUid }) => podUid === metadata?.uid)?.gpus ?? [];
  if (gpus.join() !== node.gpus.ids.toSorted().join())
    violations.push({ rule: 'in the end one pod gets all GPUs', detail: `it sees ${gpus.join()}` });
  let open = await judge.check();
  for (const end = performance.now() + patienceMs; open.length > 0 && violations.length === 0;) {
    if (performance.now() > end) break;
    await delay(200);
    open = await judge.check();
  }
}

/** What became of the pods. */
function sumUp(
  { watch, known, disturbances }: Scene,
  { refused }: Judge,
): Pick<SoakResult, 'pods' | 'admissionMs'> {
  const reasons: Record<string, number> = {};
  for (const why of refused.values()) reasons[why] = (reasons[why] ?? 0) + 1;
  const ran = [...watch.histories].flatMap(([uid, { ranMs, waited }]) => {
    const createdMs = known.get(uid)?.createdMs;
    return ranMs === null || createdMs === undefined ? [] : [{ ranMs, createdMs, waited }];
  });
  const undisturbed = ran.filter(
    ({ ranMs, createdMs, waited }) => !waited && disturbances.isCalm(createdMs, ranMs),
  );
  const refusedOnly = [...refused.keys()].filter((uid) => watch.histories.get(uid)?.ranMs === null).length;
  return {
    pods: {
      made: known.size,
      admitted: ran.length,
      refused: reasons,
      neither: known.size - ran.length - refusedOnly,
    },
    admissionMs: undisturbed.map(({ ranMs, createdMs }) => ranMs - createdMs),
  };
}
