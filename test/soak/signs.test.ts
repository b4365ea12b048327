import { describe, expect, test } from 'vitest';
import type { KnownPod, SeenPod } from '../cluster/soak/observation.ts';
import type { PodHistory } from '../cluster/soak/pod-watch.ts';
import { findSigns } from '../cluster/soak/signs.ts';

const wellMs = 100_000;
const byName =
  'nvidia.com/gpu: 1 asked, but GPU-1a is held by container main of pod soak/p1. Delete the pod, so that';
const byUid =
  'nvidia.com/gpu: 1 asked, but GPU-1a is held by container main of the pod with UID u1. Delete the pod, so that';
const ofNobody = 'nvidia.com/gpu: 1 asked, but GPU-1a is held by another container. Delete the pod, so that';

interface Told {
  readonly name?: string;
  readonly phase?: string;
  readonly deleting?: boolean;
  readonly gone?: boolean;
  readonly heldMs?: number;
  readonly units?: number;
  readonly endsAfterMs?: number;
}

function historyOf({
  name = 'p1',
  phase = 'Running',
  deleting = false,
  gone = false,
  heldMs = wellMs,
}: Told): PodHistory {
  const told = { reason: '', message: '', unschedulable: false, ready: true, containers: [] };
  const last: SeenPod = { name, uid: '', phase, deleting, ...told };
  return { last, gone, heldMs, ranMs: 1, wellMs: heldMs, waited: false };
}

function knownOf({ name = 'p1', units = 0, endsAfterMs }: Told): KnownPod {
  const main = { name: 'main', kind: 'app', gpus: units === 0 ? 1 : 0, units } as const;
  const shape = { containers: [main], endsAfterMs: endsAfterMs ?? null };
  return { name, shape, createdMs: 0, forced: false, kills: [], lostStarts: 0 };
}

function signsOf(message: string, pods: Readonly<Record<string, Told>>, withheldGpus: number = 0): string[] {
  const all = Object.entries(pods);
  const histories = new Map(all.map(([uid, told]) => [uid, historyOf(told)]));
  const known = new Map(all.map(([uid, told]) => [uid, knownOf(told)]));
  return [...findSigns(message, { histories, known, wellMs, withheldGpus })];
}

describe('a departure', () => {
  test.each<[string, string, Readonly<Record<string, Told>>, boolean]>([
    ['the holder runs', byName, { u1: {} }, false],
    ['the holder is being deleted', byName, { u1: { deleting: true } }, true],
    ['the holder has succeeded', byName, { u1: { phase: 'Succeeded' } }, true],
    ['the holder was refused itself', byName, { u1: { phase: 'Failed' } }, true],
    ['the holder is gone', byName, { u1: { gone: true } }, true],
    ['the holder is long gone', byName, { u1: { gone: true, heldMs: wellMs - 30_000 } }, false],
    ['the holder ends by itself', byName, { u1: { endsAfterMs: 200 } }, true],
    ['another pod is gone', byName, { u1: {}, u2: { name: 'p2', gone: true } }, false],
    ['one whose name begins alike is gone', byName, { u1: {}, u2: { name: 'p', gone: true } }, false],
    ['nobody knows the holder', byName, { u2: { name: 'p2', gone: true } }, false],
    ['the holder has a UID and runs', byUid, { u1: {} }, false],
    ['the holder has a UID and is gone', byUid, { u1: { gone: true } }, true],
    ['the holder has a UID, another is gone', byUid, { u1: {}, u2: { name: 'p2', gone: true } }, false],
    ['the holder has no name, and all run', ofNobody, { u1: {} }, false],
    ['the holder has no name, and one is gone', ofNobody, { u1: {}, u2: { name: 'p2', gone: true } }, true],
  ])('%s', (_title, message, pods, isThere) => {
    expect(signsOf(message, pods)).toEqual(isThere ? ['departure'] : []);
  });
});

test('pods with memory are a sign, and only those of late', () => {
  expect(signsOf('', { u1: { units: 3 } })).toEqual(['memory']);
  expect(signsOf('', { u1: { units: 3, gone: true, heldMs: wellMs - 30_000 } })).toEqual([]);
});

test('GPUs that may be withheld are a sign', () => {
  expect(signsOf('', {}, 1)).toEqual(['withheld']);
});
