import { memoryResource } from '../memory-share.ts';
import {
  admit,
  bookings,
  check,
  checkEnvironments,
  checkNothingTwice,
  deadlineMs,
  podNamed,
  podSpec,
  shorten,
  statusOf,
  visible,
  type StoryStep,
} from './story-checks.ts';
import { gpuResource } from './story-node.ts';

/** Whole GPUs, in order; each step builds on the ones before. */
export const gpuSteps: readonly StoryStep[] = [
  {
    title: 'The agent finds the GPUs of the node',
    promise: 'every GPU of the node is found',
    async run({ agent, gpuIds }) {
      const line = await agent.waitForLog(({ msg }) => msg === 'device list changed', deadlineMs);
      check(
        line['healthy'] === gpuIds.length,
        `the agent counts ${String(line['healthy'])} GPUs of ${gpuIds.length}`,
      );
      return [`${gpuIds.length} GPUs, all healthy`];
    },
  },
  {
    title: 'It registers with the kubelet, and the node offers them',
    promise: 'capacity and allocatable are what the node has',
    async run({ kubelet, gpuIds }) {
      await kubelet.waitForAllocatable(gpuResource, gpuIds.length, deadlineMs);
      const { capacity, allocatable } = statusOf(kubelet);
      check(capacity === gpuIds.length, `capacity is ${capacity}, not ${gpuIds.length}`);
      return [`${gpuResource}: capacity ${capacity}, allocatable ${allocatable}`];
    },
  },
  {
    title: 'Two pods are admitted',
    promise: 'each container sees the GPUs that were booked for it, and no other',
    async run({ kubelet, gpuIds }) {
      const training = await admit(kubelet, 'training', gpuIds.length - 1);
      const inference = await admit(kubelet, 'inference', 1);
      checkEnvironments(kubelet);
      checkNothingTwice(kubelet);
      return [training, inference].map(
        (pod) => `${pod.name}: NVIDIA_VISIBLE_DEVICES=${shorten(visible(kubelet, pod))}`,
      );
    },
  },
  {
    title: 'A third pod finds no GPU free',
    promise: 'nothing is booked twice; the refusal says what was asked and what there is',
    async run({ kubelet }) {
      const pod = await kubelet.admit(podSpec('late', 1));
      check(pod.phase === 'Failed', `the pod is ${pod.phase}`);
      check(pod.message.includes('Requested: 1, Available: 0'), `its status says: ${pod.message}`);
      checkNothingTwice(kubelet);
      return [`late: ${pod.phase}: ${pod.message}`];
    },
  },
  {
    title: 'The kubelet restarts',
    promise: 'running pods keep their GPUs, and the node offers them again at once',
    async run({ kubelet, gpuIds }) {
      const before = bookings(kubelet);
      const from = kubelet.events.length;
      await kubelet.restart({ downMs: 200 });
      const up = await kubelet.waitForEvent('started', { from, deadlineMs });
      const list = await kubelet.waitForEvent('list', { from, deadlineMs });
      await kubelet.waitForAllocatable(gpuResource, gpuIds.length, deadlineMs);
      check(bookings(kubelet) === before, 'a container has other GPUs than before');
      checkNothingTwice(kubelet);
      return [
        `registered again ${(list.at - up.at).toFixed(0)} ms after the new kubelet.sock; same pods, same GPUs`,
      ];
    },
  },
  {
    title: 'The agent is killed, and comes back',
    promise: 'a crash of the agent costs no pod its GPU',
    async run(node) {
      const { kubelet, gpuIds } = node;
      const before = bookings(kubelet);
      node.agent.signal('SIGKILL');
      await node.agent.exit;
      await kubelet.waitForAllocatable(gpuResource, 0, deadlineMs);
      const from = kubelet.events.length;
      node.startAgent();
      await kubelet.waitForAllocatable(gpuResource, gpuIds.length, deadlineMs);
      // Beside memory, a GPU is given anew only when its pod was seen to end, and this kubelet has only just begun to list its pods.
      if (kubelet.nodeStatus()[memoryResource] !== undefined)
        await kubelet.waitForEvent('pods-listed', { from, where: ({ pods }) => pods > 1, deadlineMs });
      check(bookings(kubelet) === before, 'a container has other GPUs than before');
      const pod = await kubelet.admit(podSpec('too-late', 1));
      check(pod.phase === 'Failed', 'a GPU that was booked before the crash was given out again');
      checkNothingTwice(kubelet);
      return [
        `allocatable 0 while it was away, ${gpuIds.length} now; same pods, same GPUs, none given out again`,
      ];
    },
  },
  {
    title: 'A GPU falls off the bus',
    promise: 'one sick GPU costs one GPU, not the node',
    async run(node) {
      const { kubelet, gpuIds } = node;
      const free = gpuIds.length - 1;
      const inference = podNamed(kubelet, 'inference');
      const lost = gpuIds.indexOf(visible(kubelet, inference));
      kubelet.remove(inference);
      await node.setGpu(lost, 'lost');
      await kubelet.waitForAllocatable(gpuResource, free, deadlineMs);
      const { capacity } = statusOf(kubelet);
      check(capacity === gpuIds.length, `capacity is ${capacity}, not ${gpuIds.length}`);
      check(podNamed(kubelet, 'training').phase === 'Running', 'a pod on the other GPUs was touched');
      const unlucky = await kubelet.admit(podSpec('unlucky', 1));
      check(unlucky.phase === 'Failed', 'the lost GPU was given out');
      kubelet.remove(podNamed(kubelet, 'training'));
      const next = await admit(kubelet, 'next', free);
      check(!visible(kubelet, next).includes(gpuIds[lost] ?? ''), 'the lost GPU was given out');
      return [
        `GPU ${lost} is Unhealthy; allocatable ${free} of ${gpuIds.length}; the others are served`,
        `next: ${free} GPUs, without GPU ${lost}`,
      ];
    },
  },
  {
    title: 'The GPU comes back, and the agent is told to stop',
    promise: 'what works again is offered again; the agent leaves in order',
    async run(node) {
      const { kubelet, gpuIds } = node;
      for (const index of gpuIds.keys()) await node.setGpu(index, 'present');
      await kubelet.waitForAllocatable(gpuResource, gpuIds.length, deadlineMs);
      const toldMs = performance.now();
      node.agent.signal('SIGTERM');
      const { code } = await node.agent.exit;
      const tookMs = performance.now() - toldMs;
      check(code === 0, `its exit code is ${String(code)}`);
      check(kubelet.violations.length === 0, kubelet.violations.join('; '));
      checkNothingTwice(kubelet);
      return [`allocatable ${gpuIds.length} again; exit code 0 after ${tookMs.toFixed(0)} ms`];
    },
  },
];
