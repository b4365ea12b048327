import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PlannedDevice } from '../../src/resources/planned-device.ts';
import { leavingMs, nextRoster, type RosterDevice } from '../../src/resources/roster.ts';
import { devicesOf } from '../support/plans.ts';
import { gpu } from '../support/snapshots.ts';

const nobody: ReadonlySet<string> = new Set();

function planned(...indexes: number[]): readonly PlannedDevice[] {
  return devicesOf(indexes.map((index) => gpu(index)));
}

function show(roster: readonly RosterDevice[]): string {
  return roster.map((device) => `${device.gpu.index}${device.fault === null ? '' : '!'}`).join(' ');
}

describe('nextRoster', () => {
  it('lists what is planned', () => {
    expect(show(nextRoster([], planned(0, 1, 2), { nowMs: 0, inUse: nobody }))).toBe('0 1 2');
  });

  it('shows a device that is gone as unhealthy first and drops it after the time, when nobody uses it', () => {
    const first = nextRoster([], planned(0, 1, 2), { nowMs: 0, inUse: nobody });
    const gone = nextRoster(first, planned(0, 2), { nowMs: 1000, inUse: nobody });
    expect(show(gone)).toBe('0 1! 2');
    expect(show(nextRoster(gone, planned(0, 2), { nowMs: 1000 + leavingMs - 1, inUse: nobody }))).toBe(
      '0 1! 2',
    );
    expect(show(nextRoster(gone, planned(0, 2), { nowMs: 1000 + leavingMs, inUse: nobody }))).toBe('0 2');
  });

  it('keeps a device that is gone for as long as it is in use', () => {
    const first = nextRoster([], planned(0, 1), { nowMs: 0, inUse: nobody });
    const inUse = new Set([gpu(1).uuid]);
    const gone = nextRoster(first, planned(0), { nowMs: 0, inUse });
    expect(show(nextRoster(gone, planned(0), { nowMs: 10 * leavingMs, inUse }))).toBe('0 1!');
  });

  it('makes a device that comes back healthy again and starts its time afresh when it leaves once more', () => {
    const first = nextRoster([], planned(0, 1), { nowMs: 0, inUse: nobody });
    const gone = nextRoster(first, planned(0), { nowMs: 0, inUse: nobody });
    const back = nextRoster(gone, planned(0, 1), { nowMs: 5000, inUse: nobody });
    expect(show(back)).toBe('0 1');
    const goneAgain = nextRoster(back, planned(0), { nowMs: 6000, inUse: nobody });
    expect(show(nextRoster(goneAgain, planned(0), { nowMs: leavingMs + 1000, inUse: nobody }))).toBe('0 1!');
  });

  it('never drops a device from one list to the next without having shown it unhealthy for the whole time', () => {
    const steps = fc.array(
      fc.record({
        indexes: fc.uniqueArray(fc.nat(7)),
        waitMs: fc.nat(6000),
        used: fc.uniqueArray(fc.nat(7)),
      }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(steps, (sequence) => {
        let nowMs = 0;
        let roster: readonly RosterDevice[] = [];
        const unhealthySince = new Map<string, number>();
        for (const { indexes, waitMs, used } of sequence) {
          nowMs += waitMs;
          const inUse = new Set(used.map((index) => gpu(index).uuid));
          const next = nextRoster(roster, planned(...indexes), { nowMs, inUse });
          const ids = new Set(next.map((device) => device.id));
          for (const { id } of roster) {
            if (ids.has(id)) continue;
            expect(inUse.has(id)).toBe(false);
            expect(nowMs - (unhealthySince.get(id) ?? nowMs)).toBeGreaterThanOrEqual(leavingMs);
          }
          for (const { id, fault } of next) {
            if (fault === null) unhealthySince.delete(id);
            else if (!unhealthySince.has(id)) unhealthySince.set(id, nowMs);
          }
          expect(ids.size).toBe(next.length);
          roster = next;
        }
      }),
    );
  });
});
