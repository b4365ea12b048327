import type { Disturbance } from './disturbances.ts';
import type { Sign } from './signs.ts';

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
  readonly signs: ReadonlySet<Sign>;
}

interface Explanation {
  readonly title: string;
  readonly says: RegExp;
  /** One of these must have been going on; `nothing` where it happens on a quiet node, too. */
  readonly needs: readonly (Disturbance | Sign)[] | 'nothing';
}

const anyDisturbance: readonly Disturbance[] = ['agent', 'kubelet', 'gpu', 'forced deletion'];

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
    title: 'less than the scheduler believed',
    says: /requested number of devices unavailable|Node didn't have enough resource/,
    needs: [...anyDisturbance, 'memory', 'withheld'],
  },
  {
    title: 'no hole is large enough: the scheduler had an older figure',
    says: /nvidia\.com\/gpu-memory: \d+ asked, but all units of a container lie on one GPU, and the largest hole on the \d+ GPUs of this node is/,
    needs: 'nothing',
  },
  {
    title: 'the GPU was given by memory a moment before',
    says: /asked, but of the memory of GPU-[\w-]+ (1 unit is|\d+ units are) held, and a GPU is given whole or by memory/,
    needs: 'nothing',
  },
  {
    title: 'the GPU of a pod that has just ended',
    says: /asked, but GPU-[\w-]+ is held by/,
    needs: [...anyDisturbance, 'departure'],
  },
  {
    title: 'what is held was not known yet to a new agent',
    says: /the agent on this node has just started and the kubelet's record could not be read in time|the kubelet's record of what is held on this node is not known yet/,
    needs: ['agent', 'kubelet'],
  },
];

/** Why the pod was refused, for a count; null when nothing that happened explains it. */
export function explainFailure(failed: FailedPod): string | null {
  const found = explanations.find(({ says }) => says.test(failed.message));
  if (found === undefined) return null;
  const going = new Set<Disturbance | Sign>([...failed.disturbances, ...failed.signs]);
  if (found.needs !== 'nothing' && !found.needs.some((each) => going.has(each))) return null;
  if (!failed.ran) return found.title;
  // A kubelet leaves alone what runs. Only at its start it looks again at pods that it has admitted before.
  if (!failed.needsAdmission || !failed.disturbances.has('kubelet')) return null;
  return `after a restart of the kubelet: ${found.title}`;
}
