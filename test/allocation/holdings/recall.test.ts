import { describe, expect, it } from 'vitest';
import { bookedUnits, History, listedUnits, units } from './history.ts';

const ten = units(0, 10);
const app = bookedUnits('p', ten, 'GPU-a');

describe('what an earlier run has kept', () => {
  const other = bookedUnits('q', ['m30'], 'GPU-b');
  const { kept: listed } = History.settled(app).listed(1, listedUnits('p', ten));
  const { kept } = History.settled(app, other);
  const both = ['p m0+9 on GPU-a', 'q m30 on GPU-b'];
  const bothOrphaned = both.map((text) => `${text} orphan`);
  const { kept: keptOrphan } = History.settled(app).kubelet(100, 'absent');
  const restarted = (...args: Parameters<History['found']>): History => new History().found(...args);

  it.each<[string, History, readonly string[]]>([
    ['another kubelet has not loaded it', restarted(0, 'absent', kept, 'second'), bothOrphaned],
    ['it has loaded nothing of it', restarted(0, [], kept, 'second'), bothOrphaned],
    [
      'no kubelet is there now',
      new History().play({ kind: 'checkpoint-found', atMs: 0, kubelet: null, checkpoint: 'absent', kept }),
      bothOrphaned,
    ],
    ['the same kubelet has it no more', restarted(0, [], kept), []],
    ['another kubelet has loaded it', restarted(0, [app, other], kept, 'second'), both],
    ['a part of it has ended', restarted(0, [app], kept, 'second'), both],
    [
      'and is free by the rounds',
      restarted(0, [app], kept, 'second').round(1, [app]).round(6, [app]).round(12, [app]),
      ['p m0+9 on GPU-a'],
    ],
    [
      'another kubelet has lost it and given the ids anew',
      restarted(0, [bookedUnits('new', ten, 'GPU-b')], kept, 'second'),
      [...bothOrphaned, 'new m0+9 on GPU-b'],
    ],
    [
      'what was listed before, and is lost before the first List of now',
      restarted(0, [app], listed, 'second').kubelet(1, 'absent'),
      ['p m0+9 on GPU-a shown orphan'],
    ],
    ['nothing yet while the checkpoint cannot be read', restarted(0, 'unreadable', kept, 'second'), both],
    [
      'and the first one that can be has nothing of it',
      restarted(0, 'unreadable', kept, 'second').reread(1, [bookedUnits('new', ten, 'GPU-b')]),
      [...bothOrphaned, 'new m0+9 on GPU-b'],
    ],
    [
      'and the first one that can be has a part of it: the rest has ended',
      restarted(0, 'unreadable', kept, 'second').reread(1, [app]),
      both,
    ],
    [
      'which is free by the rounds',
      restarted(0, 'unreadable', kept, 'second').round(1, [app]).round(6, [app]).round(12, [app]),
      ['p m0+9 on GPU-a'],
    ],
    ['an orphan', restarted(0, [], keptOrphan, 'begun at 100'), ['p m0+9 on GPU-a orphan']],
    ['an orphan, and another kubelet', restarted(0, [], keptOrphan, 'third'), ['p m0+9 on GPU-a orphan']],
    ['an orphan that the kubelet knows again', restarted(0, [app], keptOrphan), ['p m0+9 on GPU-a']],
    ['an orphan that ends', restarted(0, [], keptOrphan, 'third').used(1, 0).used(11, 0), []],
  ])('%s', (_, history, held) => {
    expect(history.held).toEqual(held);
  });

  it.each<[string, History, History['kept']['booked']['length']]>([
    ['an answer that nobody has seen', History.settled().answered(1, ten, 'GPU-a'), 0],
    [
      'one that a List has shown',
      History.settled().answered(1, ten, 'GPU-a').listed(2, listedUnits('n', ten)),
      1,
    ],
    ['what the kubelet has dropped', History.settled(app).kubelet(50, [app]).round(56, []), 0],
    ['what it has', History.settled(app).kubelet(50, [app]).round(56, [app]), 1],
  ])('%s: %#', (_, history, booked) => {
    expect(history.kept).toMatchObject({ orphans: [], booked: { length: booked } });
  });

  it('is the same again after a restart', () => {
    const again = restarted(0, [], keptOrphan, 'begun at 100').kept;
    expect(again).toEqual(keptOrphan);
    expect(again.orphans[0]?.gpus).toEqual(['GPU-a']);
  });
});
