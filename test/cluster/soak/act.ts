import { ApiException, type CoreV1Api } from '@kubernetes/client-node';
import { killContainerById } from '../support/containers.ts';
import { readCheckpoint, readRunningContainers } from '../support/oracle.ts';
import { waitFor } from '../support/wait.ts';
import { gpusOfEntry } from './bookings.ts';
import { hasRegistered } from './agents.ts';
import type { KnownPod } from './observation.ts';
import { planAfter, type PodStep, type RestartStep, type Step } from './plan.ts';
import { podOfShape } from './pod-of-shape.ts';
import { type Scene, waitUntilUsable } from './scene.ts';

/** Longer than an admission that has begun takes. */
const admissionMs = 2000;

/** Does a step, and resolves when it has come to its end, or at once for one that is not to be waited for. */
export async function act(scene: Scene, step: Step): Promise<void> {
  switch (step.kind) {
    case 'create':
      return create(scene, step);
    case 'delete':
      return remove(scene, step);
    case 'kill-container':
      return kill(scene, step);
    case 'gpu': {
      const end = scene.disturbances.begin('gpu', performance.now());
      await scene.node.gpus.set(step.gpu, step.state);
      await waitUntilUsable(scene, planAfter(scene.plan, step));
      end(performance.now());
      return;
    }
    case 'restart-agent':
    case 'take-over':
    case 'restart-kubelet':
    case 'restart-both':
      return restart(scene, step);
  }
}

async function create(
  scene: Scene,
  { pod, shape, wait }: PodStep & { readonly kind: 'create' },
): Promise<void> {
  const createdMs = performance.now();
  const { metadata } = await scene.node.pods.create(podOfShape(pod, shape));
  const uid = metadata?.uid ?? '';
  scene.known.set(uid, { name: pod, shape, createdMs, forced: false, kills: [], lostStarts: 0 });
  scene.uids.set(pod, uid);
  if (!wait) return;
  const settled = await scene.watch.until(
    uid,
    ({ last, ranMs, waited, gone }) => ranMs !== null || waited || gone || last.phase === 'Failed',
  );
  if (!settled)
    scene.violations.push({ rule: 'a pod runs or is refused', detail: `${pod} does neither after a minute` });
}

async function remove(
  scene: Scene,
  { pod, how, wait }: PodStep & { readonly kind: 'delete' },
): Promise<void> {
  const uid = scene.uids.get(pod) ?? '';
  if (how === 'graceful') {
    await deletePod(scene.node.api, { namespace: scene.node.namespace, name: pod });
    if (wait && !(await scene.watch.until(uid, ({ gone }) => gone)))
      scene.violations.push({ rule: 'a deleted pod goes', detail: `${pod} is there after a minute` });
    return;
  }
  const endDisturbance = scene.disturbances.begin('forced deletion', performance.now());
  change(scene, pod, { forced: true });
  scene.restlessUntilMs = performance.now() + admissionMs;
  await deletePod(scene.node.api, { namespace: scene.node.namespace, name: pod, gracePeriodSeconds: 0 });
  endDisturbance(performance.now());
  if (!wait) return;
  const ask = async () => readRunningContainers(scene.node.cluster);
  await waitFor(`the containers of ${pod} end`, ask, (all) => all.every(({ podUid }) => podUid !== uid));
}

/** A pod whose containers have ended by themselves may go at any time. */
async function deletePod(
  api: CoreV1Api,
  request: Parameters<CoreV1Api['deleteNamespacedPod']>[0],
): Promise<void> {
  await api.deleteNamespacedPod(request).catch((thrown: unknown) => {
    if (!(thrown instanceof ApiException && thrown.code === 404)) throw thrown;
  });
}

/** One that does not run yet, or waits for its next start, is left alone. */
async function kill(
  scene: Scene,
  { pod, container }: PodStep & { readonly kind: 'kill-container' },
): Promise<void> {
  const uid = scene.uids.get(pod) ?? '';
  const running = await readRunningContainers(scene.node.cluster);
  const found = running.find((each) => each.podUid === uid && each.container === container);
  const known = scene.known.get(uid);
  if (found === undefined || known === undefined) return;
  change(scene, pod, { kills: [...known.kills, container] });
  await killContainerById(scene.node.cluster, found.id).catch((thrown: unknown) => {
    // It may have ended meanwhile.
    if (!/not found|already finished|no such process/.test(String(thrown))) throw thrown;
  });
}

async function restart(scene: Scene, step: RestartStep): Promise<void> {
  const { node, agents, disturbances } = scene;
  const { kind } = step;
  const plan = planAfter(scene.plan, step);
  const beginMs = performance.now();
  // The successor waits first: only then is the first one's end a disturbance.
  const successor = kind === 'take-over' ? await agents.startStandby() : null;
  const ends = [
    ...(kind === 'restart-kubelet' ? [] : [disturbances.begin('agent', beginMs)]),
    ...(kind === 'restart-agent' || kind === 'take-over' ? [] : [disturbances.begin('kubelet', beginMs)]),
  ];
  const sinceMs =
    kind === 'restart-agent' || kind === 'take-over'
      ? await changeAgent(scene, step, successor)
      : await changeKubelet(scene, step);
  await waitUntilUsable(scene, plan);
  const nowMs = performance.now();
  scene.availableMs[kind].push(nowMs - sinceMs);
  for (const end of ends) end(nowMs);
  if (!(await node.kubelet.runs()))
    scene.violations.push({ rule: 'no program ends by itself', detail: 'the kubelet has ended' });
}

/** Ends the agent while another thing happens. Resolves with the moment of the signal. */
async function changeAgent(
  scene: Scene,
  { signal, meanwhile }: RestartStep,
  successor: Scene['serving'] | null,
): Promise<number> {
  const signalMs = performance.now();
  await Promise.all([
    meanwhile === null ? null : act(scene, meanwhile),
    scene.agents.end(scene.serving, signal),
  ]);
  scene.serving = successor ?? scene.agents.start();
  await hasRegistered(scene.serving);
  return signalMs;
}

/** Stops the kubelet, and the agent too when both are to be restarted. Resolves with the moment of the new kubelet's socket. */
async function changeKubelet(scene: Scene, { kind, signal, meanwhile }: RestartStep): Promise<number> {
  const { kubelet } = scene.node;
  await kubelet.stop(signal);
  scene.suspects.note((await readCheckpoint(scene.node.cluster)).flatMap(gpusOfEntry), performance.now());
  scene.suspects.kubeletEnds(scene.serving.log, performance.now());
  for (const [uid, pod] of scene.known)
    if (pod.kills.length > 0) scene.known.set(uid, { ...pod, lostStarts: pod.lostStarts + 1 });
  if (kind === 'restart-both') await scene.agents.end(scene.serving, signal);
  if (meanwhile !== null) await act(scene, meanwhile);
  if (kind === 'restart-both') scene.serving = scene.agents.start();
  return kubelet.start();
}

function change(scene: Scene, pod: string, changes: Partial<KnownPod>): void {
  const uid = scene.uids.get(pod) ?? '';
  const known = scene.known.get(uid);
  if (known !== undefined) scene.known.set(uid, { ...known, ...changes });
}
