import { describe, expect, it } from 'vitest';
import { encodeRecord } from '../../../src/allocation/record.ts';
import { gpuResource } from '../../../src/resources/resource-name.ts';
import { memoryResource } from '../../../src/resources/memory-units.ts';
import { bookedDevice, bookedUnits, History, listedUnits, record, units } from './history.ts';

const ten = units(0, 10);
const app = bookedUnits('p', ten, 'GPU-a');

describe('what is taken for held', () => {
  const own = encodeRecord(record('GPU-b'));
  it.each<[string, readonly Parameters<typeof bookedDevice>[], readonly string[]]>([
    ['a record names the GPU', [['p', 'GPU-b', own]], ['p GPU-b on GPU-b']],
    ['a GPU that is lost by now', [['p', 'GPU-x', encodeRecord(record('GPU-x'))]], ['p GPU-x on GPU-x']],
    ['another plugin: a whole GPU is inherited', [['p', 'GPU-a']], ['p GPU-a on GPU-a']],
    ['another plugin: a replica is inherited', [['p', 'GPU-a::3']], ['p GPU-a::3 on GPU-a']],
    ['another plugin: a MIG instance is inherited', [['p', 'MIG-1']], ['p MIG-1 on GPU-d']],
    ['another plugin: a replica of a MIG instance', [['p', 'MIG-1::0']], ['p MIG-1::0 on GPU-d']],
    ['a record that cannot be read: what the id says', [['p', 'GPU-a', '{"vers']], ['p GPU-a on GPU-a']],
    ['an id of no known GPU is foreign', [['p', 'GPU-x']], ['p GPU-x on GPU-x foreign']],
    ['a MIG instance of no known GPU is foreign', [['p', 'MIG-9']], ['p MIG-9 on  foreign']],
    ['a unit without a record is foreign', [['p', 'm4', null, memoryResource]], ['p m4 on  foreign']],
    [
      'a unit with a record that cannot be read is foreign',
      [['p', 'm4', 'x', memoryResource]],
      ['p m4 on  foreign'],
    ],
    ['devices that are no GPUs are nobody of ours', [['p', 'port-1', null, 'example.com/port']], []],
  ])('%s', (_, entries, held) => {
    expect(
      new History().found(
        0,
        entries.map((entry) => bookedDevice(...entry)),
      ).held,
    ).toEqual(held);
  });

  it('takes an entry without a record for foreign that appears while we answer', () => {
    const other = bookedDevice('q', 'GPU-b');
    expect(History.settled(app).round(20, [app, other]).held).toEqual([
      'p m0+9 on GPU-a',
      'q GPU-b on GPU-b foreign',
    ]);
    expect(History.settled(app).kubelet(20, [app, other]).held).toEqual([
      'p m0+9 on GPU-a',
      'q GPU-b on GPU-b',
    ]);
  });

  it('is over with a foreign entry when it is gone', () => {
    const other = bookedDevice('q', 'GPU-b');
    expect(History.settled(app).round(20, [app, other]).round(26, [app]).held).toEqual(['p m0+9 on GPU-a']);
  });

  it('recognizes an answer in the checkpoint by its ids and its record, in any order of ids', () => {
    const history = History.settled().answered(1, ten, 'GPU-a');
    expect(history.held).toEqual(['unknown m0+9 on GPU-a']);
    expect(history.round(2, [bookedUnits('p', ten.toReversed(), 'GPU-a')]).held).toEqual(['p m0+9 on GPU-a']);
  });

  it('recognizes an answer by a record that was built in another order', () => {
    const given = { version: 1, gpus: [{ mib: 9, mig: 'MIG-1', uuid: 'GPU-d' }] } as const;
    const text = '{"version":1,"gpus":[{"uuid":"GPU-d","mig":"MIG-1","mib":9}]}';
    const answered = { atMs: 1000, resource: gpuResource, deviceIds: ['MIG-1'], record: given, claim: null };
    const history = History.settled().play({ kind: 'answered', ...answered });
    expect(history.round(2, [bookedDevice('p', 'MIG-1', text)]).held).toEqual(['p MIG-1 on GPU-d']);
    const other = text.replace('"MIG-1"', '"MIG-2"');
    expect(
      History.settled()
        .play({ kind: 'answered', ...answered })
        .round(2, [bookedDevice('p', 'MIG-1', other)]).held,
    ).toHaveLength(2);
  });

  it('does not take the same ids on another GPU for the answer', () => {
    const history = History.settled()
      .answered(1, ten, 'GPU-a')
      .round(2, [bookedUnits('p', ten, 'GPU-b')]);
    expect(history.held).toEqual(['unknown m0+9 on GPU-a', 'p m0+9 on GPU-b']);
  });

  it('recognizes a container in a List though each id is listed apart, and not by its ids alone', () => {
    const ours = listedUnits('name', ten);
    expect(History.settled(app).listed(1, ours).held).toEqual(['p m0+9 on GPU-a shown']);
    expect(History.settled(app).listed(1, ours.slice(1)).held).toEqual(['p m0+9 on GPU-a']);
    expect(History.settled(app).listed(1, listedUnits('name', ten, 'other')).held).toEqual([
      'p m0+9 on GPU-a',
    ]);
    const asGpu = ours.map((devices) => ({ ...devices, resourceName: gpuResource }));
    expect(History.settled(app).listed(1, asGpu).held).toEqual(['p m0+9 on GPU-a']);
  });

  it('takes of two answers with the same ids the newer for the one that a List shows', () => {
    const history = History.settled()
      .answered(1, ten, 'GPU-a')
      .answered(1.1, ten, 'GPU-a')
      .listed(2, listedUnits('n', ten));
    expect(history.held).toEqual(['unknown m0+9 on GPU-a', 'unknown m0+9 on GPU-a shown']);
  });

  it('tells a pod from the one before it that had its name and its ids', () => {
    const history = History.settled(app).listed(1, listedUnits('web-0', ten)).answered(2, ten, 'GPU-b');
    history.round(8, [bookedUnits('q', ten, 'GPU-b')], listedUnits('web-0', ten));
    expect(history.held).toEqual(['q m0+9 on GPU-b shown']);
  });

  it('knows what has been asked of a kubelet without pod resources by its checkpoint alone', () => {
    const history = new History().found(0, [app]).round(0, [app], null).round(1, [app], null);
    expect(history.holdings.started).toBe(true);
    expect(history.round(6, [], null).held).toEqual([]);
  });
});

describe('what is freed', () => {
  const shown = listedUnits('name', ten);
  it.each<[string, History, readonly string[]]>([
    ['in neither List nor checkpoint, and old', History.settled(app).round(5, []), []],
    ['in neither, and younger than 5 s', History.settled(app).round(4.9, []), ['p m0+9 on GPU-a']],
    [
      'in the checkpoint alone: an init container',
      History.settled(app).round(100, [app]),
      ['p m0+9 on GPU-a'],
    ],
    [
      'in the List alone: a write was overtaken',
      History.settled(app).round(100, [], shown),
      ['p m0+9 on GPU-a shown'],
    ],
    [
      'missing from a List alone',
      History.settled(app).listed(1, shown).listed(100, []),
      ['p m0+9 on GPU-a shown'],
    ],
    ['the checkpoint cannot be read', History.settled(app).round(100, 'unreadable'), ['p m0+9 on GPU-a']],
    [
      'the checkpoint is absent right after a list was sent',
      History.settled(app).round(100, 'absent'),
      ['p m0+9 on GPU-a'],
    ],
    ['missing from a checkpoint that was read anew', History.settled(app).reread(5, []), []],
    ['missing from it, and young', History.settled(app).reread(4.9, []), ['p m0+9 on GPU-a']],
    ['missing from two in a row, and young', History.settled(app).reread(1, [], []), []],
    ['missing from the second alone', History.settled(app).reread(1, [], [app]), ['p m0+9 on GPU-a']],
    ['missing from the first alone', History.settled(app).reread(1, [app], []), ['p m0+9 on GPU-a']],
    ['missing from the second alone, and not young', History.settled(app).reread(5, [], [app]), []],
    ['the first cannot be read', History.settled(app).reread(1, [], 'unreadable'), ['p m0+9 on GPU-a']],
    [
      'an answer missing from two in a row',
      History.settled().answered(1, ten, 'GPU-a').reread(2, [], []),
      ['unknown m0+9 on GPU-a'],
    ],
    [
      'a request with the same ids',
      History.settled(app).answered(9, ten, 'GPU-b'),
      ['p m0+9 on GPU-a', 'unknown m0+9 on GPU-b'],
    ],
    [
      'an answer seen nowhere, for 29 s',
      History.settled().answered(1, ten, 'GPU-a').round(9, []).round(20, []).round(30, []),
      ['unknown m0+9 on GPU-a'],
    ],
    [
      'an answer seen nowhere, for 30 s and two rounds',
      History.settled().answered(1, ten, 'GPU-a').round(9, []).round(31, []),
      [],
    ],
    [
      'an answer seen nowhere, for 30 s and one round',
      History.settled().answered(1, ten, 'GPU-a').round(31, []),
      ['unknown m0+9 on GPU-a'],
    ],
    [
      'an answer seen nowhere, after a checkpoint was read anew',
      History.settled().answered(1, ten, 'GPU-a').round(9, []).reread(40, []),
      ['unknown m0+9 on GPU-a'],
    ],
    [
      'an answer that a List has shown, gone since',
      History.settled().answered(1, ten, 'GPU-a').listed(2, shown).round(7, []),
      [],
    ],
  ])('%s', (_, history, held) => {
    expect(history.held).toEqual(held);
  });

  it('keeps what is freed for the configured delay', () => {
    const settled = new History(-3600, 20_000).found(0, [app]).round(0, [app]).round(0, [app]);
    expect(settled.round(10, []).held).toEqual(['p m0+9 on GPU-a releasing']);
    expect(settled.listed(29.9, []).held).toEqual(['p m0+9 on GPU-a releasing']);
    expect(settled.listed(30, []).held).toEqual([]);
  });
});

describe('orphans', () => {
  const orphaned = (): History => History.settled(app).kubelet(100, 'absent');
  const pair = { ...bookedDevice('w', 'GPU-a'), deviceIds: ['GPU-a', 'GPU-b'] };
  const orphanedPair = (): History => History.settled(pair).kubelet(100, 'absent');

  it.each<[string, History, readonly string[]]>([
    ['what the new kubelet has not loaded', orphaned(), ['p m0+9 on GPU-a orphan']],
    ['what it has loaded', History.settled(app).kubelet(100, [app]), ['p m0+9 on GPU-a']],
    [
      'what it has loaded and dropped later',
      History.settled(app).kubelet(100, [app]).round(105, []).round(111, []),
      [],
    ],
    [
      'what the old one had dropped',
      History.settled(app).kubelet(50, [app]).round(56, []).kubelet(57, []),
      ['p m0+9 on GPU-a'],
    ],
    [
      'what Lists of the old one had missed, a moment before its end',
      History.settled(app).listed(1, listedUnits('n', ten)).listed(2, []).kubelet(2.5, []),
      ['p m0+9 on GPU-a shown'],
    ],
    [
      'the same, once the new one is settled',
      History.settled(app)
        .listed(1, listedUnits('n', ten))
        .listed(2, [])
        .kubelet(2.5, [])
        .round(8, [])
        .round(13, []),
      [],
    ],
    [
      'what Lists of one had missed that had just started itself',
      History.settled(app).listed(1, listedUnits('n', ten)).kubelet(2, [app]).listed(3, []).kubelet(4, []),
      ['p m0+9 on GPU-a shown orphan'],
    ],
    [
      'an answer that was in no checkpoint',
      History.settled().answered(1, ten, 'GPU-a').kubelet(2, []),
      ['unknown m0+9 on GPU-a'],
    ],
    [
      'an answer that a List has shown',
      History.settled().answered(1, ten, 'GPU-a').listed(2, listedUnits('n', ten)).kubelet(3, []),
      ['unknown m0+9 on GPU-a shown orphan'],
    ],
    [
      'nothing yet while the checkpoint cannot be read',
      History.settled(app).kubelet(100, 'unreadable'),
      ['p m0+9 on GPU-a'],
    ],
    [
      'what is missing from the first one that can be',
      History.settled(app).kubelet(100, 'unreadable').reread(101, []),
      ['p m0+9 on GPU-a orphan'],
    ],
    [
      'not what was answered after it',
      History.settled()
        .kubelet(100, 'unreadable')
        .answered(101, ten, 'GPU-a')
        .listed(102, listedUnits('n', ten))
        .reread(103, []),
      ['unknown m0+9 on GPU-a shown'],
    ],
    [
      'rounds do not free it',
      orphaned().round(105, []).round(120, []).round(500, []),
      ['p m0+9 on GPU-a orphan'],
    ],
    ['it is none when a checkpoint has it again', orphaned().round(105, [app]), ['p m0+9 on GPU-a']],
    [
      'a List alone does not bring it back',
      orphaned().listed(105, listedUnits('n', ten)),
      ['p m0+9 on GPU-a orphan'],
    ],
    ['an admin acknowledges', orphaned().acknowledged(101, 'GPU-a'), []],
    ['an admin acknowledges another GPU', orphaned().acknowledged(101, 'GPU-b'), ['p m0+9 on GPU-a orphan']],
    [
      "of another plugin's, one of two GPUs is acknowledged",
      orphanedPair().acknowledged(101, 'GPU-a'),
      ['w GPU-b on GPU-b orphan'],
    ],
    [
      "of another plugin's, one of two GPUs is unused",
      orphanedPair().used(101, 0).used(111, 0),
      ['w GPU-b on GPU-b orphan'],
    ],
    [
      "of another plugin's, both GPUs are acknowledged",
      orphanedPair().acknowledged(101, 'GPU-a').acknowledged(102, 'GPU-b'),
      [],
    ],
    ['memory unused, twice 10 s apart', orphaned().used(101, 564).used(111, 500), []],
    ['memory unused, twice 9 s apart', orphaned().used(101, 564).used(110, 500), ['p m0+9 on GPU-a orphan']],
    ['memory unused once', orphaned().used(101, 564), ['p m0+9 on GPU-a orphan']],
    [
      'memory used in between',
      orphaned().used(101, 564).used(106, 565).used(111, 564),
      ['p m0+9 on GPU-a orphan'],
    ],
    [
      'memory unused with another holder',
      orphaned().answered(100, ['m50'], 'GPU-a').used(101, 0).used(111, 0),
      ['p m0+9 on GPU-a orphan', 'unknown m50 on GPU-a'],
    ],
    [
      'memory unused, and then not told',
      orphaned().used(101, 0).used(111, 0, 'GPU-b'),
      ['p m0+9 on GPU-a orphan'],
    ],
    [
      'memory unused, not told for a while, and unused',
      orphaned().used(101, 0).used(111, 0, 'GPU-b').used(115, 0),
      [],
    ],
    [
      'memory of another GPU unused',
      orphaned().used(101, 0, 'GPU-b').used(111, 0, 'GPU-b'),
      ['p m0+9 on GPU-a orphan'],
    ],
  ])('%s', (_, history, held) => {
    expect(history.held).toEqual(held);
  });
});

describe('the start', () => {
  const { holdings: fresh } = new History().found(0, [app]).reread(0.1, [app]);
  it.each<[string, History, History['holdings']['books'], boolean]>([
    ['nothing is known at first', new History(), 'unread', false],
    ['the file from before', new History().found(0, [app]), 'found', false],
    ['no file', new History().found(0, 'absent'), 'found', false],
    ['a file that cannot be read', new History().found(0, 'unreadable'), 'unreadable', false],
    ['the file after the first list', new History().found(0, [app]).reread(0.1, [app]), 'fresh', false],
    ['and a List', new History().found(0, [app]).reread(0.1, [app]).listed(0.2, []), 'fresh', true],
    [
      'and no pod resources API',
      new History().found(0, [app]).reread(0.1, [app]).listed(0.2, null),
      'fresh',
      true,
    ],
    ['a List before', new History().found(0, [app]).listed(0.1, []).reread(0.2, [app]), 'fresh', true],
    ['a round', new History().found(0, [app]).round(0.1, [app]), 'fresh', true],
    ['no file after the first list', new History().found(0, []).reread(0.1, 'absent'), 'unreadable', false],
    ['mended', new History().found(0, 'unreadable').reread(1, [app]).listed(1, []), 'fresh', true],
    ['broken later', History.settled(app).round(9, 'unreadable'), 'unreadable', true],
  ])('%s', (_, { holdings }, books, started) => {
    expect([holdings.books, holdings.started]).toEqual([books, started]);
  });

  it('gives what was there before the first list an owner and no doubt', () => {
    expect(fresh.entries.map(({ late, checkpointed }) => [late, checkpointed])).toEqual([[false, true]]);
  });
});
