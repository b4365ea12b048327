import { describe, expect, test } from 'vitest';
import { Ledger } from '../cluster/soak/ledger.ts';
import type { Observation, SeenContainer } from '../cluster/soak/observation.ts';
import { knowPods, type Resident, seeNode } from './node-seen.ts';

const residents: readonly Resident[] = [{ name: 'one', gpus: { main: ['a', 'b'] } }];
const known = knowPods(residents);
const first = seeNode(residents);

function withContainer(change: Partial<SeenContainer>): Observation {
  const pods = first.pods.map((pod) => ({
    ...pod,
    containers: pod.containers.map((each) => ({ ...each, ...change })),
  }));
  return { ...first, pods };
}

function violationsOf(next: Observation, kills: readonly string[] = [], lostStarts = 0): readonly string[] {
  const ledger = new Ledger();
  const pods = new Map([...known].map(([uid, pod]) => [uid, { ...pod, kills, lostStarts }]));
  expect(ledger.check(first, pods)).toEqual([]);
  return ledger.check(next, pods).map(({ detail }) => detail);
}

describe('what a pod keeps', () => {
  test('nothing has changed', () => {
    expect(violationsOf(first)).toEqual([]);
  });

  test('its GPUs, also after a restart of the container', () => {
    const running = first.running.map((each) => ({ ...each, id: 'other', gpus: ['a', 'c'] }));
    const next = { ...withContainer({ id: 'other', restarts: 1 }), running };
    expect(violationsOf(next, ['main'])).toEqual(['one/main saw a,b and now sees a,c']);
  });

  test('its container, when nobody kills it', () => {
    expect(violationsOf(withContainer({ id: 'other' }))).toEqual([
      'one/main was container one-main and is other',
    ]);
    expect(violationsOf(withContainer({ id: 'other', restarts: 1 }))).toEqual([
      'one/main has restarted 1 times, and was killed 0 times',
    ]);
  });

  test('not its container, when that is killed', () => {
    expect(violationsOf(withContainer({ id: 'other', restarts: 1 }), ['main'])).toEqual([]);
    expect(violationsOf(withContainer({ id: 'other', restarts: 2 }), ['main', 'second'])).toHaveLength(1);
    expect(violationsOf(withContainer({ id: 'other', restarts: 2 }), ['main'], 1)).toEqual([]);
    expect(violationsOf(withContainer({ id: 'other', restarts: 1 }), [], 1)).toHaveLength(1);
  });

  test('a start that was lost before it was first seen', () => {
    const ledger = new Ledger();
    expect(ledger.check(withContainer({ id: null, runs: false, restarts: 0 }), known)).toEqual([]);
    expect(ledger.check(withContainer({ restarts: 1 }), known)).toEqual([]);
    expect(ledger.check(withContainer({ id: 'other', restarts: 2 }), known)).toHaveLength(1);
  });
});
