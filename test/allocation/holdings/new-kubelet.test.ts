import { describe, expect, it } from 'vitest';
import { bookedUnits, History, listedUnits, units } from './history.ts';

const ten = units(0, 10);
const app = bookedUnits('p', ten, 'GPU-a');

describe('a new kubelet', () => {
  const other = bookedUnits('q', units(20, 5), 'GPU-b');
  const restarted = (): History => History.settled(app, other).kubelet(100, [app, other]);

  it('frees nothing until 10 s have passed and two rounds say the same', () => {
    expect(restarted().round(101, [app]).round(102, [app]).held).toHaveLength(2);
    expect(restarted().round(101, [app, other]).round(110, [app]).held).toHaveLength(2);
    expect(restarted().round(101, [app]).round(109.9, [app]).held).toHaveLength(2);
    expect(restarted().round(101, [app]).round(110, [app]).held).toEqual(['p m0+9 on GPU-a']);
    expect(restarted().round(111, [app]).round(112, [app]).held).toEqual(['p m0+9 on GPU-a']);
  });

  it('frees nothing by a checkpoint that is read anew', () => {
    expect(restarted().reread(111, [app]).held).toHaveLength(2);
    expect(restarted().reread(102, [app], [app, other]).held).toHaveLength(2);
  });

  it('frees by two checkpoints in a row what it asks for anew', () => {
    expect(restarted().reread(102, [app], [app]).held).toEqual(['p m0+9 on GPU-a']);
  });

  it('is believed about what it has listed, and what it has given out itself', () => {
    const shown = listedUnits('name', ten);
    expect(restarted().listed(101, shown).round(103, [other]).held).toEqual(['q m20+4 on GPU-b']);
    expect(restarted().listed(101, shown).reread(103, [other]).held).toEqual(['q m20+4 on GPU-b']);
    const given = restarted()
      .answered(101, ['m40'], 'GPU-c')
      .listed(102, listedUnits('new', ['m40']));
    expect(given.round(107, [app, other]).held).toEqual(['p m0+9 on GPU-a', 'q m20+4 on GPU-b']);
  });

  it('is not believed about what the one before it has listed', () => {
    const before = History.settled(app).listed(50, listedUnits('name', ten)).kubelet(100, [app]);
    expect(before.round(105, []).held).toEqual(['p m0+9 on GPU-a shown']);
  });

  it('is settled though new pods come and go meanwhile', () => {
    const history = restarted().round(105, [app, bookedUnits('r', ['m40'], 'GPU-c')]);
    expect(history.round(110, [app, bookedUnits('s', ['m41'], 'GPU-c')]).holdings.unsettled).toBeNull();
  });

  it('is not settled by rounds whose checkpoint cannot be read', () => {
    const history = restarted().round(105, 'unreadable').round(111, 'unreadable');
    expect(history.holdings.unsettled).not.toBeNull();
  });

  it('counts from kubelet.sock when the agent begins later', () => {
    const young = new History(-4).found(0, [app]).round(0, [app]).round(5.9, []);
    expect(young.round(5.95, []).held).toHaveLength(1);
    expect(young.round(6, []).held).toHaveLength(0);
    expect(new History(-59).found(0, [app]).round(6, []).held).toHaveLength(1);
    expect(new History(-60).found(0, [app]).round(6, []).held).toHaveLength(0);
  });

  it('orphans nothing that the one before it had dropped, though the agent had just begun', () => {
    const begun = new History(-1).found(0, [app]).round(1, []);
    expect(begun.kubelet(1.5, []).held).toEqual(['p m0+9 on GPU-a orphan']);
    const sure = new History(-1).found(0, [app]).round(1, []).round(2, []);
    expect(sure.kubelet(3, []).held).toEqual(['p m0+9 on GPU-a']);
  });
});
