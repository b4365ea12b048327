import { admit, check, deadlineMs, podSpec, visible, type StoryStep } from './story-checks.ts';
import { gpuResource } from './story-node.ts';

/** The first GPU in four time slices, the others for one pod each. */
const slices = 4;

/** Time slices of one GPU, on the node of the first chapter. */
export const sliceSteps: readonly StoryStep[] = [
  {
    title: 'The first GPU is divided into four time slices, the others are not',
    promise: 'a GPU is shared as often as the config says, and no other is shared',
    async run({ kubelet, gpuIds }) {
      const places = gpuIds.length - 1 + slices;
      await kubelet.waitForAllocatable(gpuResource, places, deadlineMs);
      for (let number = 1; number <= places; number += 1) await admit(kubelet, `pod-${number}`, 1);
      const late = await kubelet.admit(podSpec('late', 1));
      check(late.phase === 'Failed', 'a pod more than there are places was admitted');
      const seen = Map.groupBy(
        kubelet.pods.filter(({ phase }) => phase === 'Running'),
        (pod) => visible(kubelet, pod),
      );
      for (const [index, id] of gpuIds.entries()) {
        const pods = seen.get(id)?.length ?? 0;
        check(pods === (index === 0 ? slices : 1), `GPU ${index} has ${pods} pods`);
      }
      return [`${gpuResource}: ${places}; GPU 0 has ${slices} pods, each of the others has 1`];
    },
  },
  {
    title: 'A pod asks for two time slices',
    promise: 'more of a time slice is no more of a GPU, and the refusal says so',
    async run({ kubelet, gpuIds }) {
      const sharing = kubelet.pods.filter(
        (pod) => pod.phase === 'Running' && visible(kubelet, pod) === gpuIds[0],
      );
      for (const pod of sharing.slice(0, 2)) kubelet.remove(pod);
      const greedy = await kubelet.admit(podSpec('greedy', 2));
      check(greedy.phase === 'Failed', `the pod is ${greedy.phase}`);
      check(greedy.message.includes('at most 1 is allowed'), `its status says: ${greedy.message}`);
      await admit(kubelet, 'modest', 1);
      return [`greedy: ${greedy.phase}: ${greedy.message}`];
    },
  },
];
