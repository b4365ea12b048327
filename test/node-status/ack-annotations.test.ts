import { expect, test } from 'vitest';
import { findAcks, findMeant } from '../../src/cluster/ack-annotations.ts';

const [one, two] = ['GPU-5f3c2a1b-0000-4000-8000-000000000001', 'GPU-5f3caaaa-0000-4000-8000-000000000002'];

test('of all annotations those count that speak of a GPU', () => {
  const annotations = {
    'slicewise.io/ack-GPU-5f3c': 'b',
    'example.com/ack-5f3c': 'x',
    'slicewise.io/other': 'x',
    'slicewise.io/ack-5F3C2A1B': 'replaced',
  };
  expect(findAcks(annotations)).toEqual([
    { name: 'slicewise.io/ack-5F3C2A1B', value: 'replaced', gpu: '5f3c2a1b' },
    { name: 'slicewise.io/ack-GPU-5f3c', value: 'b', gpu: '5f3c' },
  ]);
});

test.each([
  ['5f3c2', { uuid: one }],
  [one.slice(4).toLowerCase(), { uuid: one }],
  ['5f3ca', { uuid: two }],
  ['5f3c', { problem: `both ${one} and ${two} begin so` }],
  ['0000', { problem: 'no GPU of this node has a UUID that begins so' }],
  ['5f3', { problem: "it needs at least 4 characters of the GPU's UUID" }],
  ['', { problem: "it needs at least 4 characters of the GPU's UUID" }],
])('%j means one GPU, or it is said why not', (gpu, meant) => {
  expect(findMeant({ name: 'n', value: 'v', gpu }, [one, two])).toEqual(meant);
});
