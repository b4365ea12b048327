import { memoryResource } from '../memory-share.ts';
import {
  check,
  checkNothingTwice,
  deadlineMs,
  podNamed,
  podSpec,
  statusOf,
  type StoryStep,
} from './story-checks.ts';
import { admitWhenOffered, checkMemoryBooks, memoryOf, waitUntilOffered } from './story-memory.ts';
import { gpuResource } from './story-node.ts';

/** Two GPUs with 32 GiB each. */
export const memoryScenario = { name: 'two-v100', gpus: [{ model: 'v100-sxm2-32gb', count: 2 }] };
/** 4 GiB of each GPU are offered to nobody, so that a GPU has 28. */
export const memoryConfig = { version: 'v1', memory: { enabled: true, reservedPerGpu: '4Gi' } };
const unitsPerGpu = 28;

/** What each of two teams takes of one GPU and a third pod of the other, so that on both as much is left. */
const [teamUnits, batchUnits, leftUnits] = [8, 16, 12];
/** More than any GPU has left, and less than both together. */
const largeUnits = 20;

/** Memory of two GPUs, by the gigabyte and beside whole GPUs. */
export const memorySteps: readonly StoryStep[] = [
  {
    title: 'A node whose GPUs are to be had by the gigabyte: two teams ask for 8 GiB each',
    promise:
      'both are on one GPU, each with the memory that was booked for it, and the other GPU stays whole',
    async run({ kubelet, gpuIds }) {
      await waitUntilOffered(kubelet, gpuResource, gpuIds.length);
      const vision = await admitWhenOffered(kubelet, podSpec('vision', teamUnits, memoryResource));
      const speech = await admitWhenOffered(kubelet, podSpec('speech', teamUnits, memoryResource));
      const shares = [memoryOf(kubelet, vision), memoryOf(kubelet, speech)];
      check(shares[0]?.gpu === shares[1]?.gpu, `they are on ${shares.map(({ gpu }) => gpu).join(' and ')}`);
      await waitUntilOffered(kubelet, gpuResource, gpuIds.length - 1);
      checkMemoryBooks(kubelet, gpuIds, unitsPerGpu);
      return [
        `vision and speech: ${shares.map(({ mib }) => mib).join(' and ')} MiB of ${shares[0]?.gpu ?? ''}`,
        `${gpuResource}: ${gpuIds.length - 1} of ${gpuIds.length} can still be had whole`,
      ];
    },
  },
  {
    title: 'Each GPU has 12 GiB left, and a pod asks for 20',
    promise: 'what is offered can be had on one GPU: the pod is Pending, and is not sent to fail',
    async run({ kubelet, gpuIds }) {
      const batch = await admitWhenOffered(kubelet, podSpec('batch', batchUnits, memoryResource));
      for (const [gpu, units] of checkMemoryBooks(kubelet, gpuIds, unitsPerGpu))
        check(unitsPerGpu - units === leftUnits, `${gpu} has ${unitsPerGpu - units} GiB left`);
      await waitUntilOffered(kubelet, memoryResource, leftUnits);
      // As many as are offered are there: the pod's author may ask for them instead.
      const small = await admitWhenOffered(kubelet, podSpec('small', leftUnits, memoryResource));
      check(
        memoryOf(kubelet, small).gpu !== memoryOf(kubelet, batch).gpu,
        'the GPU of two pods was not taken before that of one',
      );
      checkMemoryBooks(kubelet, gpuIds, unitsPerGpu);
      const failed = kubelet.pods.filter(({ phase }) => phase === 'Failed');
      check(failed.length === 0, failed.map(({ name, message }) => `${name}: ${message}`).join('; '));
      return [
        `large: Pending: ${largeUnits} GiB asked for, ${leftUnits} offered, though ${leftUnits} + ${leftUnits} are free`,
        `small: Running: ${leftUnits} GiB, all that was offered`,
      ];
    },
  },
  {
    title: 'A pod asks for a whole GPU, and the memory of both is in use',
    promise: 'it is Pending until a GPU is left by all, and then has it alone',
    waits: 'some 5 s: of what it has only just given away the agent does not believe that it is free again',
    async run({ kubelet, gpuIds }) {
      await waitUntilOffered(kubelet, gpuResource, 0);
      // A pod that ends before the kubelet has listed it is waited for much longer.
      const from = kubelet.events.findLastIndex(({ kind }) => kind === 'allocated');
      await kubelet.waitForEvent('pods-listed', { from, deadlineMs });
      const batch = podNamed(kubelet, 'batch');
      const { gpu } = memoryOf(kubelet, batch);
      kubelet.finish(batch, 'Succeeded');
      const whole = await admitWhenOffered(kubelet, podSpec('whole', 1));
      const seen = memoryOf(kubelet, whole);
      check(seen.gpu === gpu, `whole is on ${seen.gpu}, and batch was on ${gpu}`);
      // Its memory went with it, and the other GPU has none left.
      await waitUntilOffered(kubelet, memoryResource, 0);
      checkMemoryBooks(kubelet, gpuIds, unitsPerGpu);
      checkNothingTwice(kubelet);
      check(kubelet.violations.length === 0, kubelet.violations.join('; '));
      const { allocatable, capacity } = statusOf(kubelet, memoryResource);
      return [
        `whole: Pending while ${gpuResource} was 0, then Running on ${gpu}, which batch has left`,
        `${memoryResource}: allocatable ${allocatable} of ${capacity}, all in use on the other GPU`,
      ];
    },
  },
];
