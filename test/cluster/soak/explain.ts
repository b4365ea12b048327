import type { Disturbance } from './disturbances.ts';

/** A pod that has failed, and what was going on. */
export interface FailedPod {
  readonly reason: string;
  readonly message: string;
  /** It ran before: a restarted kubelet has refused it. */
  readonly ran: boolean;
  /** A container of it that was to hold GPUs did not run when it was refused: it has to be given its GPUs again then. */
  readonly needsAdmission: boolean;
  /** Since it was last seen well. */
  readonly disturbances: ReadonlySet<Disturbance>;
}

interface Explanation {
  readonly title: string;
  readonly says: RegExp;
  /** One of these must have been going on. */
  readonly needs: readonly Disturbance[];
}

/** What a kubelet or the agent says when it refuses a pod, and what makes it right. */
const explanations: readonly Explanation[] = [
  {
    title: 'no agent was registered',
    says: /no healthy devices present|cannot allocate unregistered device/,
    needs: ['agent', 'kubelet'],
  },
  {
    title: 'the agent ended while it was asked',
    says: /rpc error: code = (Unavailable|Canceled|Unknown)|error reading from server|transport is closing/,
    needs: ['agent'],
  },
  {
    title: 'a GPU of the pod is not healthy',
    says: /previously allocated devices are no longer healthy|cannot be used:/,
    needs: ['gpu', 'agent', 'kubelet'],
  },
  {
    title: 'fewer GPUs than the scheduler believed',
    says: /requested number of devices unavailable|Node didn't have enough resource/,
    needs: ['gpu', 'agent', 'kubelet', 'forced deletion'],
  },
];

/** Why the pod was refused, for a count; null when nothing that happened explains it. */
export function explainFailure(failed: FailedPod): string | null {
  const found = explanations.find(({ says }) => says.test(failed.message));
  if (found === undefined || !found.needs.some((each) => failed.disturbances.has(each))) return null;
  if (!failed.ran) return found.title;
  // A kubelet leaves alone what runs. Only at its start it looks again at pods that it has admitted before.
  if (!failed.needsAdmission || !failed.disturbances.has('kubelet')) return null;
  return `after a restart of the kubelet: ${found.title}`;
}
