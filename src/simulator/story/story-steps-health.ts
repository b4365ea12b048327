import {
  admit,
  check,
  deadlineMs,
  podNamed,
  podSpec,
  statusOf,
  visible,
  type StoryStep,
} from './story-checks.ts';
import { gpuResource } from './story-node.ts';

/** The GPU that the chapter is about. */
const sick = 1;

/** What the driver tells of GPUs, in order; each step builds on the ones before. */
export const healthSteps: readonly StoryStep[] = [
  {
    title: 'A program fails on a GPU (XID 13)',
    promise: "a program's fault costs no GPU",
    async run(node) {
      const { kubelet, agent, gpuIds } = node;
      await kubelet.waitForAllocatable(gpuResource, gpuIds.length, deadlineMs);
      const all = await admit(kubelet, 'training', gpuIds.length);
      await node.tellXid(sick, 13, 'none');
      const { class: xidClass } = await agent.waitForLog(({ xid }) => xid === 13, deadlineMs);
      check(xidClass === 'restart-app', `its class is ${String(xidClass)}`);
      check(statusOf(kubelet).allocatable === gpuIds.length, 'a GPU was taken out');
      check(podNamed(kubelet, 'training').phase === 'Running', 'the pod was touched');
      kubelet.remove(all);
      return [
        `the driver tells XID 13 of GPU ${sick}, class ${String(xidClass)}; allocatable stays ${gpuIds.length}`,
      ];
    },
  },
  {
    title: 'A GPU fails (XID 95)',
    promise: 'a GPU that needs a reset is given to nobody, and a restart of the agent forgets nothing',
    async run(node) {
      const { kubelet, gpuIds } = node;
      await node.tellXid(sick, 95, 'reset');
      await kubelet.waitForAllocatable(gpuResource, gpuIds.length - 1, deadlineMs);
      await node.agent.waitForLog(({ xid }) => xid === 95, deadlineMs);
      await node.agent.waitForLog(({ msg }) => msg.startsWith('the driver asks for a reset'), deadlineMs);
      node.agent.signal('SIGTERM');
      await node.agent.exit;
      node.startAgent();
      await kubelet.waitForAllocatable(gpuResource, gpuIds.length - 1, deadlineMs);
      const greedy = await kubelet.admit(podSpec('greedy', gpuIds.length));
      check(greedy.phase === 'Failed', 'the GPU was given out');
      const others = await admit(kubelet, 'others', gpuIds.length - 1);
      check(!visible(kubelet, others).includes(gpuIds[sick] ?? ''), 'the GPU was given out');
      kubelet.remove(others);
      return [
        `the driver tells XID 95 of GPU ${sick}, class reset; allocatable ${gpuIds.length - 1} of ${gpuIds.length}, also after a restart`,
      ];
    },
  },
  {
    title: 'The GPU is reset',
    promise: 'a GPU comes back when it is proven that it was mended',
    async run(node) {
      const { kubelet, gpuIds } = node;
      await node.resetGpu(sick);
      await kubelet.waitForAllocatable(gpuResource, gpuIds.length, deadlineMs);
      const all = await admit(kubelet, 'again', gpuIds.length);
      check(visible(kubelet, all).includes(gpuIds[sick] ?? ''), 'the GPU is not among them');
      check(kubelet.violations.length === 0, kubelet.violations.join('; '));
      return [`the driver wants nothing more; allocatable ${gpuIds.length} again`];
    },
  },
];
