import { expect, test } from 'vitest';
import { changeAllocatable, limitCounts, toMergePatch } from '../../src/cluster/allocatable.ts';

const memory = 'nvidia.com/gpu-memory';
const gpu = 'nvidia.com/gpu';

interface Case {
  readonly title: string;
  readonly healthy: Readonly<Record<string, number>>;
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
  /** `null`: nothing is to be written. */
  readonly written: Readonly<Record<string, string>> | null;
  readonly grows?: boolean;
}

const cases: readonly Case[] = [
  {
    title: 'less than before, as when two small holes are left',
    healthy: { [memory]: 140 },
    capacity: { [memory]: '160' },
    allocatable: { [memory]: '160' },
    written: { [memory]: '140' },
    grows: false,
  },
  {
    title: 'more than before, as when a GPU filled up',
    healthy: { [memory]: 120 },
    capacity: { [memory]: '640' },
    allocatable: { [memory]: '87' },
    written: { [memory]: '120' },
    grows: true,
  },
  {
    title: 'nothing where it says so already',
    healthy: { [memory]: 120, [gpu]: 8 },
    capacity: { [memory]: '640', [gpu]: '8' },
    allocatable: { [memory]: '120', [gpu]: '8', cpu: '7910m' },
    written: null,
  },
  {
    title: 'only the resource that differs',
    healthy: { [memory]: 120, [gpu]: 7 },
    capacity: { [memory]: '640', [gpu]: '8' },
    allocatable: { [memory]: '120', [gpu]: '8' },
    written: { [gpu]: '7' },
    grows: false,
  },
  {
    title: 'one down and one up in one write, which counts as more',
    healthy: { [memory]: 0, [gpu]: 8 },
    capacity: { [memory]: '640', [gpu]: '8' },
    allocatable: { [memory]: '87', [gpu]: '7' },
    written: { [memory]: '0', [gpu]: '8' },
    grows: true,
  },
  {
    title: 'no more than the capacity that the kubelet has reported',
    healthy: { [gpu]: 8 },
    capacity: { [gpu]: '6' },
    allocatable: { [gpu]: '5' },
    written: { [gpu]: '6' },
    grows: true,
  },
  {
    title:
      'nothing for a resource that the kubelet has not reported, also on a node that is another one by mistake',
    healthy: { [memory]: 87, [gpu]: 8 },
    capacity: { cpu: '8' },
    allocatable: { cpu: '8' },
    written: null,
  },
  {
    title: 'nothing for resources of others, whatever they say',
    healthy: { [gpu]: 8 },
    capacity: { [gpu]: '8', 'example.com/dev': '4', memory: '32Gi' },
    allocatable: { [gpu]: '8', 'example.com/dev': '0', memory: '31Gi' },
    written: null,
  },
  {
    title: 'thousands, which the API server writes with a suffix',
    healthy: { [memory]: 20_000, [gpu]: 1000 },
    capacity: { [memory]: '20k', [gpu]: '1k' },
    allocatable: { [memory]: '19999', [gpu]: '1k' },
    written: { [memory]: '20000' },
    grows: true,
  },
  {
    title: 'an amount in place of none, or of nonsense',
    healthy: { [memory]: 10, [gpu]: 2 },
    capacity: { [memory]: '10', [gpu]: '2' },
    allocatable: { [gpu]: '2.5Zi' },
    written: { [memory]: '10', [gpu]: '2' },
    grows: true,
  },
  {
    title: 'nothing where the capacity is nonsense',
    healthy: { [gpu]: 2 },
    capacity: { [gpu]: '-1' },
    allocatable: { [gpu]: '0' },
    written: null,
  },
  {
    title: 'nothing without lists, as while another agent serves',
    healthy: {},
    capacity: { [gpu]: '8' },
    allocatable: { [gpu]: '8' },
    written: null,
  },
];

test.each(cases)('writes $title', ({ healthy, capacity, allocatable, written, grows }) => {
  const node = { capacity, allocatable, bootId: null };
  const change = changeAllocatable(new Map(Object.entries(healthy)), node);
  expect(change === null ? null : toMergePatch(change)).toEqual(
    written === null ? null : { status: { allocatable: written } },
  );
  expect(change?.grows).toBe(grows);
});

test('of two counts the smaller one is sure, and what only one side knows is not', () => {
  const sure = limitCounts(
    new Map([
      [memory, 120],
      [gpu, 3],
    ]),
    new Map([
      [memory, 87],
      ['example.com/dev', 4],
    ]),
  );
  expect([...sure]).toEqual([
    [memory, 87],
    [gpu, 0],
  ]);
});
