import {
  admit,
  check,
  checkEnvironments,
  checkNothingTwice,
  deadlineMs,
  podNamed,
  shorten,
  statusOf,
  visible,
  type StoryStep,
} from './story-checks.ts';

const large = 'nvidia.com/mig-3g.20gb';
const medium = 'nvidia.com/mig-2g.10gb';
const small = 'nvidia.com/mig-1g.5gb';

/** MIG instances of two GPUs: `3g.20gb, 2g.10gb, 1g.5gb, 1g.5gb`, and seven times `1g.5gb`. */
export const migSteps: readonly StoryStep[] = [
  {
    title: 'Another node, whose GPUs are cut into MIG instances',
    promise: 'each profile is a resource, and a pod sees its instance and no other',
    async run({ kubelet }) {
      await kubelet.waitForAllocatable(small, 9, deadlineMs);
      await kubelet.waitForAllocatable(medium, 1, deadlineMs);
      await kubelet.waitForAllocatable(large, 1, deadlineMs);
      const pods = [await admit(kubelet, 'training', 1, large), await admit(kubelet, 'inference', 1, medium)];
      checkEnvironments(kubelet);
      checkNothingTwice(kubelet);
      return [
        `${large}: 1, ${medium}: 1, ${small}: 9`,
        ...pods.map((pod) => `${pod.name}: NVIDIA_VISIBLE_DEVICES=${shorten(visible(kubelet, pod))}`),
      ];
    },
  },
  {
    title: 'Idle instances are cut anew beside a pod that runs',
    promise: 'the pods on their siblings keep what they have; what is new is offered, what is gone is not',
    async run(node) {
      const { kubelet } = node;
      const training = podNamed(kubelet, 'training');
      const before = visible(kubelet, training);
      await node.setMig(0, ['3g.20gb', '2g.10gb', '2g.10gb']);
      await kubelet.waitForAllocatable(medium, 2, deadlineMs);
      await kubelet.waitForAllocatable(small, 7, deadlineMs);
      check(training.phase === 'Running', `the pod is ${training.phase}`);
      check(visible(kubelet, training) === before, 'the pod has another instance than before');
      check(
        statusOf(kubelet, large).allocatable === 1,
        'the instance of the running pod is not offered as before',
      );
      await admit(kubelet, 'second', 1, medium);
      check(kubelet.crashed === null, `the kubelet crashed: ${kubelet.crashed?.reason ?? ''}`);
      checkEnvironments(kubelet);
      checkNothingTwice(kubelet);
      return [`two of ${small} became one of ${medium}, and a pod runs on it; training has what it had`];
    },
  },
];
