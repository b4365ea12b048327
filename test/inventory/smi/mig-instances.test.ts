import { describe, expect, test } from 'vitest';
import { parseList } from '../../../src/inventory/smi/list.ts';
import { joinMigInstances } from '../../../src/inventory/smi/mig-instances.ts';
import { parseQuery } from '../../../src/inventory/smi/query.ts';
import { readCapture } from '../../support/smi-replay.ts';

const query = readCapture('h100-mig', '-q');
const list = readCapture('h100-mig', '-L');

function join(queryText: string, listText: string): ReturnType<typeof joinMigInstances> {
  const [queried] = parseQuery(queryText).gpus;
  const [listed] = parseList(listText);
  return joinMigInstances(queried?.migDevices ?? [], listed?.migDevices ?? []);
}

describe('the profile is what -L says, and tells the slices', () => {
  test.each([
    ['1g.10gb', 1, 1],
    ['1g.20gb', 1, 1],
    ['1g.10gb+me', 1, 1],
    ['1g.24gb+gfx', 1, 1],
    ['2g.48gb-me', 2, 2],
    ['1c.2g.10gb', 2, 1],
    ['2c.7g.80gb+me.all', 7, 2],
    ['1u.24gb', null, null],
  ])('%s', (profile, gpuSlices, computeSlices) => {
    const { instances, problem } = join(query, list.replace('3g.40gb ', `${profile} `));
    expect(problem).toBe(null);
    expect(instances[0]).toMatchObject({ gpuInstanceId: 2, profile, gpuSlices, computeSlices });
  });
});

test('instances stand in the order of their ids, whatever the driver’s', () => {
  const swapped = query
    .replace(/(GPU Instance ID +: )2\n/, '$112\n')
    .replace(/(GPU Instance ID +: )10\n/, '$19\n');
  const ones = swapped.replace(/(GPU Instance ID +: 9\n +Compute Instance ID +: )0/, '$11');
  expect(join(ones, list).instances.map((one) => [one.gpuInstanceId, one.computeInstanceId])).toEqual([
    [3, 0],
    [9, 0],
    [9, 1],
    [12, 0],
  ]);
});

describe('what only one of the two shows is told, and costs no other', () => {
  test.each([
    ['not in -L', query, list.replace(/.*Device {2}1: .*\n/, ''), 'nvidia-smi -L does not list MIG device 1'],
    [
      'not in -q',
      query.replace(/(Index +: )3\n/, '$14\n'),
      list,
      'nvidia-smi -L does not list MIG device 4, nvidia-smi -q does not show MIG device 3 (1g.10gb)',
    ],
    [
      'without its ids',
      query.replace(/(GPU Instance ID +: )3\n/, '$1N/A\n'),
      list,
      'nvidia-smi -q does not tell the ids of MIG device 1',
    ],
  ])('%s', (_what, queryText, listText, problem) => {
    const joined = join(queryText, listText);
    expect(joined.problem).toBe(problem);
    expect(joined.instances).toHaveLength(3);
  });
});
