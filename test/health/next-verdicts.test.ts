import { describe, expect, it, test } from 'vitest';
import { defaultHealthRules, type HealthFact } from '../../src/health/facts.ts';
import { nextVerdicts } from '../../src/health/next-verdicts.ts';
import { noVerdicts, type HealthState, type Verdicts } from '../../src/health/verdict.ts';
import { recoveryActions, type GpuIncident, type GpuSigns } from '../../src/inventory/gpu-signs.ts';
import {
  ackAll,
  after,
  boot,
  lost,
  minuteMs,
  otherUuid,
  signs,
  silent,
  uuid,
  verdictOf,
  wellSigns,
  xid,
} from './health-steps.ts';

type Step = HealthFact | ((verdicts: Verdicts) => HealthFact);

function told(kind: 'uncorrectable-ecc' | 'unavailable' | 'recovery-action-changed'): HealthFact {
  const place = { gpu: uuid, pciBusId: null, gpuInstanceId: null, computeInstanceId: null };
  const incident: GpuIncident = { ...place, count: 1, source: 'nvml', kind };
  return { kind: 'incident', incident, scope: null };
}

const blind: HealthFact = { kind: 'blind', reason: 'it hangs' };

describe('how a GPU is after what was told', () => {
  test.each<[string, readonly Step[], HealthState]>([
    ['nothing', [signs()], 'healthy'],
    ['a fault of a program', [signs(), xid(13)], 'healthy'],
    ['the error of memory that is contained', [signs(), xid(94)], 'healthy'],
    ['a code that nobody knows', [signs(), xid(999)], 'healthy'],
    ['a fault of the GPU', [signs(), xid(95)], 'unhealthy'],
    ['the same before it was ever asked', [xid(95)], 'unhealthy'],
    ['asked again, it says that it is well', [signs(), xid(95), signs(), signs()], 'unhealthy'],
    ['ECC without an XID', [signs(), told('uncorrectable-ecc')], 'healthy'],
    ['the driver gives it up', [signs(), told('unavailable')], 'unhealthy'],
    ['and goes on as if nothing had been', [signs(), told('unavailable'), signs()], 'unhealthy'],
    [
      'the action is another one, which the signs will say',
      [signs(), told('recovery-action-changed')],
      'healthy',
    ],
    ['the same boot again', [boot(0), signs(), xid(95), boot(0), signs()], 'unhealthy'],
    ['a boot after an unknown one', [signs(), xid(95), boot(0), signs()], 'unhealthy'],
    ['a reboot, and not asked yet', [boot(0), xid(95), boot(1)], 'unhealthy'],
    ['a reboot, and well', [boot(0), xid(95), boot(1), signs()], 'healthy'],
    [
      'a reboot, and it wants another one',
      [boot(0), xid(95), boot(1), signs({ recoveryAction: 'reboot' })],
      'unhealthy',
    ],
    ['a reboot, and a fault before it was asked', [boot(0), xid(95), boot(1), xid(95), signs()], 'unhealthy'],
    ['a reboot, and lost', [boot(0), xid(95), boot(1), lost], 'unhealthy'],
    [
      'a reboot, and a driver that never tells what it wants',
      [boot(0), signs(), xid(95), boot(1), signs({ recoveryAction: null })],
      'healthy',
    ],
    [
      'a reset that the driver asked for',
      [signs(), xid(95), signs({ recoveryAction: 'reset' }), signs()],
      'healthy',
    ],
    ['a fault after the reset', [signs({ recoveryAction: 'reset' }), signs(), xid(95), signs()], 'unhealthy'],
    [
      'a fault that came while the driver was saying that the reset is done',
      [
        signs({ recoveryAction: 'reset' }),
        xid(95),
        { kind: 'signs', signs: [wellSigns(uuid)], askedAt: 1e12 },
        signs(),
      ],
      'unhealthy',
    ],
    ['lost, and back', [signs(), lost, signs()], 'healthy'],
    ['lost after a fault, and back', [signs(), xid(79), lost, signs()], 'healthy'],
    ['lost, then told of, and back', [signs(), lost, xid(79), signs()], 'healthy'],
    [
      'lost after a fault, and back with a wish',
      [signs(), xid(79), lost, signs({ recoveryAction: 'reset' })],
      'unhealthy',
    ],
    [
      'lost after a fault, and back without a word of what it wants, though it told before',
      [signs(), xid(79), lost, signs({ recoveryAction: null })],
      'unhealthy',
    ],
    [
      'lost after a fault, and back, and the driver never told',
      [signs({ recoveryAction: null }), xid(79), lost, signs({ recoveryAction: null })],
      'healthy',
    ],
    ['a wish that ends with its programs', [signs({ recoveryAction: 'drain-p2p' }), signs()], 'healthy'],
    [
      'such a wish, of a driver that stops telling',
      [signs({ recoveryAction: 'drain-p2p' }), signs({ recoveryAction: null })],
      'unhealthy',
    ],
    [
      'a fault, and such a wish',
      [signs(), xid(95), signs({ recoveryAction: 'drain-p2p' }), signs()],
      'unhealthy',
    ],
    ['left alone because it hung, and asked again', [signs(), silent, signs()], 'healthy'],
    ['left alone', [signs(), silent], 'unhealthy'],
    ['left alone after a fault, and asked again', [signs(), xid(119), silent, signs()], 'unhealthy'],
    [
      'left alone after a fault, and asked again, and the driver never told what it wants',
      [signs({ recoveryAction: null }), xid(119), silent, signs({ recoveryAction: null })],
      'unhealthy',
    ],
    ['left alone from the start after a fault', [xid(119), silent, signs()], 'unhealthy'],
    ['lost after a fault, left alone, and back', [signs(), xid(79), lost, silent, signs()], 'healthy'],
    [
      'a driver that stops telling',
      [signs({ recoveryAction: 'reset' }), signs({ recoveryAction: null })],
      'unhealthy',
    ],
    ['a remap that failed', [signs({ rowRemap: { failed: true, pending: false } })], 'unhealthy'],
    [
      'a remap that failed, and a driver that says so no more',
      [signs({ rowRemap: { failed: true, pending: false } }), signs()],
      'unhealthy',
    ],
    [
      'a remap that failed, over a reboot',
      [
        boot(0),
        signs({ rowRemap: { failed: true, pending: false } }),
        boot(1),
        signs({ rowRemap: { failed: true, pending: false } }),
      ],
      'unhealthy',
    ],
    ['too many SRAM errors', [signs({ sramThresholdExceeded: true })], 'unhealthy'],
    ['a remap that waits for a reset', [signs({ rowRemap: { failed: false, pending: true } })], 'degraded'],
    ['too hot', [signs({ slowdowns: ['thermal'] })], 'degraded'],
    ['too little power', [signs({ slowdowns: ['power-brake'] })], 'degraded'],
    ['an NVLink down', [signs({ nvlinksDown: 1 })], 'degraded'],
    ['cool again', [signs({ slowdowns: ['thermal'] }), signs()], 'healthy'],
    ['hot and at fault', [signs({ slowdowns: ['thermal'] }), xid(95)], 'unhealthy'],
    ['nobody would hear of it', [signs({ unmonitored: 'no events' })], 'unmonitored'],
    [
      'nobody would hear, and it is hot',
      [signs({ unmonitored: 'no events', slowdowns: ['thermal'] })],
      'degraded',
    ],
    ['the driver cannot be asked', [signs(), blind], 'unmonitored'],
    ['the driver can be asked again', [signs(), blind, signs()], 'healthy'],
    ['the driver cannot be asked about a sick one', [signs(), xid(95), blind], 'unhealthy'],
    ['an admin lets it back', [signs(), xid(95), ackAll, signs()], 'healthy'],
    ['it fails again after that', [signs(), xid(95), ackAll, signs(), xid(95)], 'unhealthy'],
    [
      'an admin lives with what the driver goes on showing',
      [signs({ sramThresholdExceeded: true }), ackAll, signs({ sramThresholdExceeded: true })],
      'degraded',
    ],
    [
      'and the driver shows it no more, then again',
      [
        signs({ sramThresholdExceeded: true }),
        ackAll,
        signs({ sramThresholdExceeded: true }),
        signs(),
        signs({ sramThresholdExceeded: true }),
      ],
      'unhealthy',
    ],
    [
      'an admin lives with one action, and the driver wants another',
      [
        signs({ recoveryAction: 'reset' }),
        ackAll,
        signs({ recoveryAction: 'reset' }),
        signs({ recoveryAction: 'reboot' }),
      ],
      'unhealthy',
    ],
    ['an admin cannot bring back what is lost', [signs(), lost, ackAll], 'unhealthy'],
  ])('%s', (_, steps, expected) => {
    expect(verdictOf(after(steps)).state).toBe(expected);
  });

  test.each(recoveryActions)('recovery action %s', (recoveryAction) => {
    const { state, findings } = verdictOf(after([signs({ recoveryAction })]));
    expect(state).toBe(recoveryAction === 'none' ? 'healthy' : 'unhealthy');
    for (const { what, remedy } of findings)
      expect(`${what}. ${remedy}`).toMatch(/^the driver asks .+\. [A-Z].+\.$/);
  });
});

it('keeps what, when and how often, and says what to do', () => {
  const start = 1e12;
  const verdicts = after([signs(), xid(79), xid(79), xid(79)], { apartMs: minuteMs, startMs: start });
  const { findings, since } = verdictOf(verdicts);
  expect(since).toBe(start + minuteMs);
  expect(findings).toMatchObject([
    {
      key: 'xid-79',
      xid: 79,
      xidClass: 'reboot',
      effect: 'unhealthy',
      what: 'XID 79 (the GPU has fallen off the bus)',
      firstAt: start + minuteMs,
      lastAt: start + 3 * minuteMs,
      count: 3,
    },
  ]);
  expect(findings[0]?.remedy).toMatch(/power/);
});

it('is about the GPU that is named', () => {
  const both = after([signs({}, [wellSigns(otherUuid)]), xid(95)]);
  expect(verdictOf(both).state).toBe('unhealthy');
  expect(verdictOf(both, otherUuid).state).toBe('healthy');
});

it('is about no GPU where none is named', () => {
  const before = after([signs()]);
  const fact = xid(79);
  if (fact.kind !== 'incident') throw new Error('not an incident');
  const nameless = { ...fact, incident: { ...fact.incident, gpu: null } };
  expect(after([nameless], { from: before })).toBe(before);
});

describe('a GPU that is taken out three times in an hour', () => {
  const once: readonly Step[] = [xid(95), signs({ recoveryAction: 'reset' }), signs()];
  const apartMs = minuteMs;

  it('stays out, whatever is proven, until an admin says otherwise', () => {
    const twice = after([boot(0), signs(), ...once, ...once], { apartMs });
    expect(verdictOf(twice).state).toBe('healthy');
    const thrice = after(once, { apartMs, from: twice, startMs: 1e12 + 10 * minuteMs });
    expect(verdictOf(thrice).state).toBe('unhealthy');
    expect(verdictOf(thrice).findings.map(({ key }) => key)).toEqual(['flapping']);
    const startMs = 1e12 + 24 * 3_600_000;
    expect(verdictOf(after([boot(1), signs()], { from: thrice, startMs })).state).toBe('unhealthy');
    expect(verdictOf(after([ackAll, signs()], { from: thrice, startMs })).state).toBe('healthy');
    expect(verdictOf(after([ackAll, ...once], { from: thrice, startMs })).state).toBe('healthy');
  });

  it('comes back when the times are further apart', () => {
    expect(verdictOf(after([signs(), ...once, ...once, ...once], { apartMs: 25 * minuteMs })).state).toBe(
      'healthy',
    );
  });

  it('is not one that is only lost and found', () => {
    const flicker = Array.from({ length: 10 }, () => [lost, signs()]).flat();
    expect(verdictOf(after([signs(), ...flicker], { apartMs: 1000 })).state).toBe('healthy');
  });

  it('is not one with several errors for one fault', () => {
    const burst = [
      xid(48),
      xid(64),
      xid(95),
      signs({ recoveryAction: 'reset' }),
      signs({ recoveryAction: 'reboot' }),
      signs(),
    ];
    expect(verdictOf(after([signs(), ...burst], { apartMs: 1000 })).state).toBe('healthy');
  });
});

describe('with health checks switched off', () => {
  const rules = { ...defaultHealthRules, signsCount: false };
  const bad: Partial<GpuSigns> = {
    recoveryAction: 'reset',
    sramThresholdExceeded: true,
    rowRemap: { failed: true, pending: false },
  };

  it('what the driver shows takes no GPU out, and is told', () => {
    const { state, findings } = verdictOf(after([signs(bad), told('unavailable')], { rules }));
    expect(state).toBe('healthy');
    expect(findings.map(({ kind, effect }) => [kind, effect])).toEqual([
      ['recovery-action', 'noted'],
      ['row-remap-failed', 'noted'],
      ['sram-threshold', 'noted'],
      ['unavailable', 'noted'],
    ]);
  });

  it('a GPU that does not answer is out all the same', () => {
    expect(verdictOf(after([signs(), lost], { rules })).state).toBe('unhealthy');
  });
});

it('gives the same object back when there is nothing new', () => {
  const facts = [signs({ slowdowns: ['thermal'], nvlinksDown: 2 }), boot(0), blind, signs(), lost];
  for (const fact of facts) {
    const once = after([fact]);
    expect(nextVerdicts(once, fact, { now: 2e12, rules: defaultHealthRules })).toBe(once);
  }
});

it('forgets a GPU that is gone unless something is held against it', () => {
  const others: HealthFact = { kind: 'signs', signs: [wellSigns(otherUuid)] };
  expect(after([signs(), others]).gpus.has(uuid)).toBe(false);
  expect(verdictOf(after([signs(), xid(95), others])).state).toBe('unhealthy');
  expect(after([signs()], { from: noVerdicts }).gpus.size).toBe(1);
});
