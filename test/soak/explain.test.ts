import { describe, expect, test } from 'vitest';
import { type Disturbance, Disturbances } from '../cluster/soak/disturbances.ts';
import type { Sign } from '../cluster/soak/signs.ts';
import { explainFailure, type FailedPod } from '../cluster/soak/explain.ts';
import type { MemoryPlan } from '../../src/resources/memory-units.ts';
import { explainNoRoom } from '../../src/allocation/memory/memory-refusals.ts';

const none =
  'Allocate failed due to no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpu';
const unregistered = 'Allocate failed due to cannot allocate unregistered device nvidia.com/gpu';
const tooFew =
  'Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 2';
const gone = 'Allocate failed due to rpc error: code = Unavailable desc = error reading from server: EOF';
const faulty = 'Allocate failed due to previously allocated devices are no longer healthy';
const own = 'Allocate failed due to rpc error: code = ResourceExhausted desc = ';
const noHole = `${own}${explainNoRoom(9, [], 20, { plan: { unitMiB: 1024 } as MemoryPlan })}`;
const byMemory = `${own}nvidia.com/gpu: 1 asked, but of the memory of GPU-1a-2b 3 units are held, and a GPU is given whole or by memory. Delete`;
const stillHeld = `${own}nvidia.com/gpu: 2 asked, but GPU-1a-2b is held by container main of pod a/b. Delete the pod`;
const starting = `${own}nvidia.com/gpu-memory: 2 asked, but the agent on this node has just started and the kubelet's record could not be read in time.`;
const paused = `${own}nvidia.com/gpu-memory: 2 asked, but the kubelet's record of what is held on this node cannot be read.`;
const other = 'Allocate failed due to rpc error: code = ResourceExhausted desc = 2 asked, but 1 is held';

function failed(message: string, going: readonly (Disturbance | Sign)[], ran: boolean = false): FailedPod {
  return {
    reason: 'UnexpectedAdmissionError',
    message,
    ran,
    needsAdmission: true,
    disturbances: new Set(allDisturbances.filter((each) => going.includes(each))),
    signs: new Set(allSigns.filter((each) => going.includes(each))),
  };
}

const allDisturbances: readonly Disturbance[] = ['agent', 'kubelet', 'gpu', 'forced deletion'];
const allSigns: readonly Sign[] = ['departure', 'memory', 'withheld'];

describe('a refusal', () => {
  test.each<[string, readonly (Disturbance | Sign)[], string | null]>([
    [none, ['agent'], 'no agent was registered'],
    [unregistered, ['kubelet'], 'no agent was registered'],
    [none, ['gpu'], null],
    [none, [], null],
    [gone, ['agent'], 'the agent ended while it was asked'],
    [gone, ['kubelet'], null],
    [tooFew, ['memory'], 'less than the scheduler believed'],
    [tooFew, ['kubelet'], 'less than the scheduler believed'],
    [tooFew, ['withheld'], 'less than the scheduler believed'],
    [tooFew, ['departure'], null],
    [tooFew, [], null],
    [noHole, [], 'no hole is large enough: the scheduler had an older figure'],
    [byMemory, [], 'the GPU was given by memory a moment before'],
    [stillHeld, ['departure'], 'the GPU of a pod that has just ended'],
    [stillHeld, ['forced deletion'], 'the GPU of a pod that has just ended'],
    [stillHeld, ['memory', 'withheld'], null],
    [stillHeld, [], null],
    [starting, ['agent'], 'what is held was not known yet to a new agent'],
    [starting, ['gpu'], null],
    [paused, ['agent', 'kubelet', 'gpu', 'forced deletion'], null],
    [faulty, ['gpu'], 'a GPU of the pod is not healthy'],
    [other, ['agent', 'kubelet', 'gpu', 'forced deletion'], null],
  ])('%s, after %j', (message, disturbances, why) => {
    expect(explainFailure(failed(message, disturbances))).toBe(why);
  });

  test('of a pod that ran is explained by a restart of the kubelet alone, and not when all its containers ran', () => {
    expect(explainFailure(failed(none, ['agent'], true))).toBeNull();
    const restarted = failed(none, ['agent', 'kubelet'], true);
    expect(explainFailure(restarted)).toBe('after a restart of the kubelet: no agent was registered');
    expect(explainFailure({ ...restarted, needsAdmission: false })).toBeNull();
  });
});

describe('disturbances', () => {
  const disturbances = new Disturbances(100);
  disturbances.begin('agent', 1000)(2000);
  disturbances.begin('gpu', 5000);

  test.each<[number, number, readonly Disturbance[], boolean]>([
    [0, 999, [], true],
    [0, 1000, ['agent'], false],
    [1500, 1600, ['agent'], false],
    [2050, 2060, ['agent'], true],
    [2101, 4999, [], true],
    [9000, 9001, ['gpu'], false],
    [0, 9000, ['agent', 'gpu'], false],
  ])('from %i to %i ms: %j', (fromMs, toMs, there, calm) => {
    expect([...disturbances.between(fromMs, toMs)]).toEqual(there);
    expect(disturbances.isCalm(fromMs, toMs)).toBe(calm);
  });
});
