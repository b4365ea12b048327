import { describe, expect, it } from 'vitest';
import type { HealthFact } from '../../src/health/facts.ts';
import type { Verdicts } from '../../src/health/verdict.ts';
import { ackAll, after, boot, lost, signs, uuid, verdictOf, xid } from './health-steps.ts';

const early = 1e12;
const late = 2e12;

function recalled(verdicts: Verdicts, savedAt: number = early + 1e9): HealthFact {
  return { kind: 'recalled', verdicts, savedAt };
}

describe('what an agent that served before has written down', () => {
  const condemned = after([boot(0), signs(), xid(95)], { startMs: early });

  it('is taken over by one that knows nothing', () => {
    expect(verdictOf(after([boot(0), recalled(condemned), signs()], { startMs: late }))).toMatchObject({
      state: 'unhealthy',
      findings: [{ key: 'xid-95' }],
    });
  });

  it('is taken over by one that has already asked, whenever it did', () => {
    const steps = [boot(0), signs(), recalled(condemned), signs()];
    expect(verdictOf(after(steps, { startMs: late })).state).toBe('unhealthy');
  });

  it('is over when the node was rebooted meanwhile, as soon as the GPU says that it is well', () => {
    const rebooted = after([boot(1), recalled(condemned)], { startMs: late });
    expect(verdictOf(rebooted).state).toBe('unhealthy');
    expect(verdictOf(after([signs()], { from: rebooted })).state).toBe('healthy');
  });

  it('is not over when nobody knows which boot this is', () => {
    expect(verdictOf(after([recalled(condemned), signs()], { startMs: late })).state).toBe('unhealthy');
  });

  it('is over when the GPU was lost then and answers now', () => {
    const lostThen = after([boot(0), signs(), xid(79), lost], { startMs: early });
    for (const steps of [
      [boot(0), recalled(lostThen, early + 1e9), signs()],
      [boot(0), signs(), recalled(lostThen, early + 1e9), signs()],
    ])
      expect(verdictOf(after(steps, { startMs: late })).state).toBe('healthy');
  });

  it('is over when the driver wanted something that only a reset ends, and wants it no more', () => {
    const states = (['reset', 'drain-p2p'] as const).map((recoveryAction) => {
      const wanted = after([boot(0), signs(), xid(95), signs({ recoveryAction })], { startMs: early });
      const standby = after([boot(0), signs()], { startMs: late });
      const took = after([recalled(wanted, early + 1e9), signs()], { from: standby, startMs: late + 1e8 });
      return [recoveryAction, took.gpus.get(uuid)?.state];
    });
    expect(states).toEqual([
      ['reset', 'healthy'],
      ['drain-p2p', 'unhealthy'],
    ]);
  });

  it('knows better what an admin has let back, though this agent had heard of the fault too', () => {
    const acknowledged = after([ackAll, signs()], { from: condemned, startMs: early + 1e8 });
    const standby = after([boot(0), signs(), xid(95)], { startMs: early });
    expect(verdictOf(standby).state).toBe('unhealthy');
    const took = after([recalled(acknowledged, early + 2e8)], { from: standby, startMs: late });
    expect(took.gpus.get(uuid)?.state ?? 'healthy').toBe('healthy');
  });

  it('does not know of what happened after it was written', () => {
    const standby = after([boot(0), signs(), xid(95)], { startMs: late });
    const well = after([boot(0), signs()], { startMs: early });
    expect(verdictOf(after([recalled(well)], { from: standby, startMs: late + 1e9 })).state).toBe(
      'unhealthy',
    );
  });

  it('may have been written a moment before it was told of what this agent was told of', () => {
    const well = after([boot(0), signs()], { startMs: early });
    const standby = after([xid(95)], { from: after([boot(0), signs()]), startMs: late });
    const took = (savedAt: number) =>
      after([recalled(well, savedAt)], { from: standby, startMs: late + 1e9 });
    expect(verdictOf(took(late + 500)).state).toBe('unhealthy');
    expect(took(late + 1500).gpus.get(uuid)?.state ?? 'healthy').toBe('healthy');
  });

  it('is one fault with what this agent was told of a moment later', () => {
    const [own, other] = [late + 100, late].map((startMs) =>
      after([xid(95)], { from: after([boot(0), signs()], { startMs: early }), startMs }),
    );
    if (own === undefined || other === undefined) throw new Error('two were made');
    const took = after([recalled(other, late + 10)], { from: own, startMs: late + 200 });
    expect(verdictOf(took)).toMatchObject({ state: 'unhealthy', condemnedAt: [late] });
  });

  it('cannot prove by the reboot before a new fault that the old one is over', () => {
    const standby = after([boot(1), signs(), xid(119)], { startMs: late });
    const took = after([recalled(condemned), signs()], { from: standby, startMs: late + 1e8 });
    expect(verdictOf(took).findings.map(({ key }) => key)).toEqual(['xid-95', 'xid-119']);
  });
});
