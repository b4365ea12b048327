import { describe, expect, it, test } from 'vitest';
import { defaultHealthRules } from '../../src/health/facts.ts';
import { condemns, lookUpXid, xidCatalogue, type XidClass, type XidRules } from '../../src/health/xid.ts';

/** What NVIDIA's catalogue of October 2025 says, written down from it by hand: runs of codes, by immediate action. */
const byHand: Readonly<Record<Exclude<XidClass, 'unknown'>, string>> = {
  'restart-app': '8 11 13 25 31 32 39-41 60 68-72 75-77 80 82-86 88 89 94 96-105 126-135 139',
  ignore: '37 38 43 44 63 66 67 92 93 106 107 121 137 141 152-154 157 160 161',
  reset: '46 62 64 95 109 110 119 120 136 140 143 155 156 158',
  reboot: '79 151',
  support: '54 78 142',
  workflow: '45 48 74 144-150',
  open: '159 162-172',
  unused: '1-7 9 10 12 14-24 26-30 33-36 42 47 49-53 55-59 61 65 73 81 87 90 91 108 111-118 122-125 138',
};
/** What takes a GPU out: everything that needs a reset, a reboot or hands, and of the procedures two. */
const takesOut = new Set(
  codesOf('46 48 54 62 64 74 78 79 95 109 110 119 120 136 140 142 143 151 155 156 158'),
);

function codesOf(runs: string): number[] {
  return runs.split(' ').flatMap((run) => {
    const [first = 0, last = first] = run.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}

const table = Object.entries(byHand)
  .flatMap(([xidClass, runs]) => codesOf(runs).map((code) => ({ code, class: xidClass })))
  .toSorted((one, other) => one.code - other.code);

test('the table by hand has each code of the catalogue once', () => {
  expect(table.map(({ code }) => code)).toEqual(Array.from({ length: 172 }, (_, at) => at + 1));
  expect([...xidCatalogue.keys()]).toEqual(table.map(({ code }) => code));
});

test.each(table)('XID $code is $class', ({ code, class: xidClass }) => {
  const entry = lookUpXid(code);
  expect(entry).toMatchObject({ code, class: xidClass, source: 'NVIDIA XID catalogue, 2025-10' });
  expect(entry.name).toMatch(/^\S/);
  expect(entry.why).toMatch(/^\S/);
  expect({ code, condemns: entry.condemns }).toEqual({ code, condemns: takesOut.has(code) });
  expect(condemns(code, defaultHealthRules.xids)).toBe(takesOut.has(code));
});

test.each([0, 173, 999, 4_294_967_295])('XID %i is unknown, and takes nothing away', (code) => {
  expect(lookUpXid(code)).toMatchObject({ code, class: 'unknown', condemns: false, source: 'none' });
});

describe('what the config says of XIDs', () => {
  const rules = (given: Partial<XidRules>): XidRules => ({ ...defaultHealthRules.xids, ...given });
  const only = (...xids: readonly number[]) => ({ all: false, xids });
  const all = { all: true, xids: [] };

  it.each<[string, Partial<XidRules>, number, boolean]>([
    ['the file makes a fault of an application fault', { file: { ignore: [], unhealthy: [94] } }, 94, true],
    ['the file counts a fault out', { file: { ignore: [79], unhealthy: [] } }, 79, false],
    ['the file is about the codes that it names', { file: { ignore: [79], unhealthy: [94] } }, 95, true],
    ['disabled codes are out', { disabled: only(79) }, 79, false],
    ['other codes are not', { disabled: only(79) }, 95, true],
    ['all disabled', { disabled: all }, 79, false],
    ['enabled beats disabled', { disabled: only(79), enabled: only(79) }, 79, true],
    [
      'enabled beats all disabled, which NVIDIA’s plugin breaks',
      { disabled: all, enabled: only(79) },
      79,
      true,
    ],
    ['and no other code with it', { disabled: all, enabled: only(79) }, 95, false],
    ['enabled all makes a fault of everything', { enabled: all }, 13, true],
    ['also of what nobody knows', { enabled: all }, 999, true],
    ['enabled beats the file', { enabled: only(79), file: { ignore: [79], unhealthy: [] } }, 79, true],
    ['disabled beats the file', { disabled: only(94), file: { ignore: [], unhealthy: [94] } }, 94, false],
    ['an unknown code can be made to count', { file: { ignore: [], unhealthy: [700] } }, 700, true],
  ])('%s', (_, given, code, expected) => {
    expect(condemns(code, rules(given))).toBe(expected);
  });
});
