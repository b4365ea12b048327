import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defaultHealthRules, type HealthFact, type HealthRules } from '../../src/health/facts.ts';
import { nextVerdicts } from '../../src/health/next-verdicts.ts';
import { placeIncident, verdictFaults } from '../../src/health/verdict-faults.ts';
import { maxFindings, noVerdicts, type Verdicts } from '../../src/health/verdict.ts';
import { migGpu, snapshotOf } from '../support/snapshots.ts';
import { ackAll, boot, lost, otherUuid, signs, uuid, wellSigns, xid } from './health-steps.ts';

/** Of the codes, 13 and 999 take nothing out, the others do. */
const condemning = [48, 64, 79, 95, 119];

interface Step {
  readonly name: string;
  readonly fact: (verdicts: Verdicts) => HealthFact;
}

const step = (name: string, fact: HealthFact): Step => ({ name, fact: () => fact });

const steps = fc.array(
  fc.constantFrom(
    ...condemning.map((code) => step(`xid ${code}`, xid(code))),
    step('xid 13', xid(13)),
    step('xid 999', xid(999)),
    step('well', signs()),
    step('well', signs()),
    step('hot', signs({ slowdowns: ['thermal'] })),
    step('mute', signs({ recoveryAction: null })),
    step('wants', signs({ recoveryAction: 'reset' })),
    step('lost', lost),
    step('boot 0', boot(0)),
    step('boot 1', boot(1)),
    step('blind', { kind: 'blind', reason: 'it hangs' }),
    step('gone', { kind: 'signs', signs: [wellSigns(otherUuid)] }),
    { name: 'ack', fact: ackAll },
  ),
  { maxLength: 40 },
);

/** Whether something is held against the GPU that nothing has proven to be over: a model of its own, that looks at the words alone. */
class Charge {
  #boot: string | null = null;
  #wants = false;
  #lost = false;
  #isOpen = false;
  /** An admin lives with what the driver wants, for as long as it goes on wanting it. */
  #tolerates = false;

  take(name: string): void {
    if (this.#isProof(name)) this.#isOpen = false;
    if (name.startsWith('boot')) this.#boot = name;
    if (answers.has(name)) this.#lost = false;
    if (name === 'lost') this.#lost = true;
    if (name === 'ack') this.#tolerates = this.#wants;
    if (contents.has(name)) [this.#wants, this.#tolerates] = [false, false];
    if (name === 'wants') this.#wants = true;
    if (charges.has(name) && !(name === 'wants' && this.#tolerates)) this.#isOpen = true;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  #isProof(name: string): boolean {
    if (name === 'ack') return true;
    if (name.startsWith('boot')) return this.#boot !== null && this.#boot !== name;
    return (answers.has(name) && this.#lost) || (contents.has(name) && this.#wants);
  }
}

const contents = new Set(['well', 'hot']);
const answers = new Set([...contents, 'mute', 'wants']);
const charges = new Set(['wants', ...condemning.map((code) => `xid ${code}`)]);

test('no order of facts makes a condemned GPU healthy without a proof', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 3 * 3_600_000 }), (sequence, apartMs) => {
      const charge = new Charge();
      let verdicts = noVerdicts;
      for (const [at, { name, fact }] of sequence.entries()) {
        verdicts = nextVerdicts(verdicts, fact(verdicts), { now: at * apartMs, rules: defaultHealthRules });
        charge.take(name);
        const state = verdicts.gpus.get(uuid)?.state;
        expect([name, charge.isOpen && state !== 'unhealthy']).toEqual([name, false]);
      }
    }),
    { numRuns: 4000 },
  );
});

test('a GPU of which nothing bad was ever said is never unhealthy', () => {
  const harmless = steps.map((all) =>
    all.filter(
      ({ name }) => !['wants', 'lost'].includes(name) && !condemning.some((code) => name === `xid ${code}`),
    ),
  );
  fc.assert(
    fc.property(harmless, (sequence) => {
      let verdicts = noVerdicts;
      for (const [at, { fact }] of sequence.entries()) {
        verdicts = nextVerdicts(verdicts, fact(verdicts), { now: at, rules: defaultHealthRules });
        expect(verdicts.gpus.get(uuid)?.state).not.toBe('unhealthy');
      }
    }),
  );
});

const everything: HealthRules = {
  ...defaultHealthRules,
  xids: { ...defaultHealthRules.xids, enabled: { all: true, xids: [] } },
};
const scope = fc.option(
  fc.record({
    gpuInstanceId: fc.integer({ min: 1, max: 5 }),
    computeInstanceId: fc.option(fc.constant(0)),
  }),
  { freq: 30 },
);
const storm = fc.array(fc.record({ code: fc.integer({ min: 1, max: 400 }), scope }), { maxLength: 400 });
const cut = migGpu(0, ['1g.5gb', '1g.5gb', '1g.5gb', '1g.5gb']);
const node = snapshotOf([cut, migGpu(1, ['1g.5gb'])]);

test('a storm costs no more than a fixed amount, and nothing that is out comes back by it', () => {
  fc.assert(
    fc.property(storm, fc.boolean(), (incidents, allCount) => {
      const rules = allCount ? everything : defaultHealthRules;
      let verdicts = noVerdicts;
      let out = new Set<string>();
      for (const [at, each] of incidents.entries()) {
        verdicts = nextVerdicts(verdicts, xid(each.code, each.scope), { now: at, rules });
        const now = new Set(verdictFaults(verdicts, node).keys());
        expect([...out.difference(now)]).toEqual([]);
        out = now;
      }
      const known = verdicts.gpus.get(uuid);
      expect(verdicts.gpus.size).toBeLessThanOrEqual(1);
      expect(known?.findings.length ?? 0).toBeLessThanOrEqual(maxFindings);
      expect(JSON.stringify(known ?? null).length).toBeLessThan(16_000);
    }),
    { numRuns: 200 },
  );
});

test('a fault of a GPU is that of all its instances, one of an instance is its own and the whole GPU’s, and no other GPU has it', () => {
  const place = fc.record({
    gpuInstanceId: fc.option(fc.integer({ min: 0, max: 6 })),
    computeInstanceId: fc.option(fc.integer({ min: 0, max: 1 })),
  });
  fc.assert(
    fc.property(place, (given) => {
      const found = placeIncident({ gpu: uuid, ...given }, node);
      const verdicts = nextVerdicts(noVerdicts, xid(95, found), { now: 0, rules: defaultHealthRules });
      const named = cut.migInstances.find(
        (each) => each.gpuInstanceId === given.gpuInstanceId && (given.computeInstanceId ?? 0) === 0,
      );
      const whole = [uuid, ...cut.migInstances.map((each) => each.uuid)];
      expect([...verdictFaults(verdicts, node).keys()]).toEqual(
        named === undefined ? whole : [uuid, named.uuid],
      );
    }),
  );
});
