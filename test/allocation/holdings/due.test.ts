import { describe, expect, it } from 'vitest';
import { mayList, wantsList, wantsRound } from '../../../src/allocation/holdings/due.ts';
import { bookedUnits, History, listedUnits, units } from './history.ts';

const ten = units(0, 10);
const app = bookedUnits('p', ten, 'GPU-a');
const shown = listedUnits('p', ten);
/** Held since second 0, shown by the List of second 20, in whose round it was found. */
const steady = (): History => History.settled(app).round(20, [app], shown);

describe('wantsList', () => {
  it.each<[string, History, number, boolean]>([
    ['nothing is held', History.settled(), 100, false],
    ['something is held and a second has passed', steady(), 21, true],
    ['less than a second has passed', steady(), 20.9, false],
    ['nothing was ever listed', new History().found(0, []), 0, true],
  ])('%s', (_, { holdings }, seconds, expected) => {
    expect(wantsList(holdings, seconds * 1000)).toBe(expected);
  });
});

describe('wantsRound', () => {
  const young = (): History => new History(-1).found(0, [app]);
  const old = (): History => new History().found(0, [app]);
  const vanished = (): History => steady().listed(21, []);
  it.each<[string, History, number, boolean]>([
    ['before the first one', new History().found(0, []), 0, true],
    ['nothing is held', History.settled(), 1000, false],
    ['all that is held is shown', steady(), 1000, false],
    ['an id of the last List is missing', vanished(), 21, true],
    ['a round has looked for it a moment ago', vanished().round(21.5, [app]), 22, false],
    ['it is still booked after a second', vanished().round(21.5, [app]), 22.6, true],
    ['it is still booked after minutes, for half a minute', vanished().round(500, [app]), 529, false],
    ['it is still booked after minutes, and half a minute later', vanished().round(500, [app]), 530, true],
    [
      'it was too young for the last round',
      History.settled().answered(1, ten, 'GPU-a').listed(2, shown).round(3, []),
      6,
      true,
    ],
    ['no List ever shows it: after half a minute', History.settled(app), 30, true],
    ['no List ever shows it: before', History.settled(app), 29, false],
    ['an answer that was seen nowhere is 5 s old', History.settled().answered(1, ten, 'GPU-a'), 6, true],
    ['and is younger', History.settled().answered(1, ten, 'GPU-a'), 5.9, false],
    ['a round has looked for it', History.settled().answered(1, ten, 'GPU-a').round(6, []), 30, false],
    ['and it is 30 s old', History.settled().answered(1, ten, 'GPU-a').round(6, []), 31, true],
    ['a new kubelet: every five seconds', steady().kubelet(30, [app]).round(31, [app]), 36, true],
    ['a new kubelet while nothing is held', History.settled().kubelet(30, []).round(31, []), 36, true],
    ['what the first round of a new kubelet lacks: not in the same breath', young().round(1, []), 1.1, false],
    [
      'an answer that was seen nowhere is not looked for so soon',
      History.settled().answered(1, ten, 'GPU-a').round(1.5, []),
      3,
      false,
    ],
    ['what the first round of a new kubelet lacks: at once again', young().round(1, []), 1.2, true],
    ['and when the second has not found it either: no sooner', young().round(1, []).round(1.2, []), 6, false],
    ['than every five seconds', young().round(1, []).round(1.2, []), 6.2, true],
    ['what the first round of an old kubelet lacks: at once again', old().round(1, []), 1.2, true],
    [
      'and when the second has not found it either: before it is 5 s old',
      old().round(1, []).round(1.2, []),
      4.9,
      false,
    ],
    ['and then', old().round(1, []).round(1.2, []), 5, true],
    ['a new kubelet: not before', steady().kubelet(30, [app]).round(31, [app]), 35, false],
    [
      'a checkpoint that cannot be read: every five seconds',
      History.settled().round(9, 'unreadable'),
      14,
      true,
    ],
    ['a checkpoint that cannot be read: not before', History.settled().round(9, 'unreadable'), 13, false],
  ])('%s', (_, { holdings }, seconds, expected) => {
    expect(wantsRound(holdings, seconds * 1000)).toBe(expected);
  });

  it('frees what ended within three seconds, polled every second', () => {
    const history = steady();
    let freedAt = Number.POSITIVE_INFINITY;
    // The pod ends right after a List.
    for (let seconds = 21; seconds < 40 && freedAt > 40; seconds += 0.25) {
      if (wantsRound(history.holdings, seconds * 1000)) history.round(seconds, []);
      else if (wantsList(history.holdings, seconds * 1000)) history.listed(seconds, []);
      if (history.held.length === 0) freedAt = seconds;
    }
    expect(freedAt - 20).toBeLessThanOrEqual(3);
  });
});

describe('mayList', () => {
  it.each([
    ['no call was ever made', { open: 0, lastAnsweredMs: Number.NEGATIVE_INFINITY }, true],
    ['a call is open', { open: 1, lastAnsweredMs: 0 }, false],
    ['one was answered less than 100 ms ago', { open: 0, lastAnsweredMs: 901 }, false],
    ['one was answered 100 ms ago', { open: 0, lastAnsweredMs: 900 }, true],
  ])('%s', (_, calls, expected) => {
    expect(mayList(calls, 1000)).toBe(expected);
  });
});
