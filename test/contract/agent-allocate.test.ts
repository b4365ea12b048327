import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentProcess } from '../../src/simulator/agent-process.ts';
import { gpuResource, openKubeletNode, patienceMs, type KubeletNode } from './support/kubelet-node.ts';
import { allocateOne, prefer, preStart, refusal } from './support/plugin-calls.ts';

// One agent for the whole file: after each bad request it has to go on as if nothing had happened.
let node: KubeletNode;
let agent: AgentProcess;
/** A healthy GPU, another, and one that is Unhealthy. */
let good: string;
let other: string;
let lost: string;

beforeAll(async () => {
  node = await openKubeletNode({ gpus: 4 });
  agent = await node.startServingAgent(['--http-address', '127.0.0.1:0']);
  [good = '', other = '', , lost = ''] = node.gpuIds;
  await node.setGpu(3, 'lost');
  await node.kubelet.waitForAllocatable(gpuResource, 3, patienceMs);
});

afterAll(async () => node[Symbol.asyncDispose]());

const many = Array.from({ length: 100_000 }, (_, index) => `GPU-${String(index).padStart(36, '0')}`);
const huge = [`GPU-${'x'.repeat(20 * 1024 * 1024)}`];

interface BadRequest {
  readonly name: string;
  readonly containers: () => readonly (readonly string[])[];
  readonly code: string;
  /** All of them are in the text. */
  readonly says: () => readonly string[];
}

const badRequests: readonly BadRequest[] = [
  {
    name: 'an unknown id',
    containers: () => [['GPU-unknown']],
    code: 'INVALID_ARGUMENT',
    says: () => ['nvidia.com/gpu: 1 asked', '"GPU-unknown"', "this node's 4", 'delete the pod'],
  },
  {
    name: 'a good and an unknown id',
    containers: () => [[good, 'GPU-unknown']],
    code: 'INVALID_ARGUMENT',
    says: () => ['nvidia.com/gpu: 2 asked', '"GPU-unknown"'],
  },
  {
    name: 'an id twice',
    containers: () => [[good, good]],
    code: 'INVALID_ARGUMENT',
    says: () => [good, 'more than once'],
  },
  {
    name: 'no id',
    containers: () => [[]],
    code: 'INVALID_ARGUMENT',
    says: () => ['names no device', 'Ask for at least 1'],
  },
  {
    name: 'an empty id',
    containers: () => [['']],
    code: 'INVALID_ARGUMENT',
    says: () => ['""'],
  },
  {
    name: 'no container',
    containers: () => [],
    code: 'INVALID_ARGUMENT',
    says: () => ['names no container'],
  },
  {
    name: 'two containers that share an id',
    containers: () => [[good], [other, good]],
    code: 'INVALID_ARGUMENT',
    says: () => ['by two containers at once'],
  },
  {
    name: 'an Unhealthy GPU',
    containers: () => [[good, lost]],
    code: 'FAILED_PRECONDITION',
    says: () => ['GPU 3', lost, 'GPU is lost', 'Delete the pod'],
  },
  {
    name: '100,000 ids',
    containers: () => [many],
    code: 'INVALID_ARGUMENT',
    says: () => ['100000 asked', 'this node has 4', 'Ask for fewer'],
  },
  {
    name: 'a message of 20 MiB',
    containers: () => [huge],
    code: 'RESOURCE_EXHAUSTED',
    says: () => ['larger than'],
  },
];

describe('Allocate refuses', () => {
  it.for(badRequests.map((request) => [request.name, request] as const))('%s', async ([, request]) => {
    const answered = await refusal(node, request.containers());
    expect(answered.code).toBe(request.code);
    for (const part of request.says()) expect(answered.text).toContain(part);
    expect(answered.text.length).toBeLessThan(500);
    await expectSound();
  });

  it('and counts each refusal once, by its reason', async () => {
    const before = await metrics();
    await refusal(node, [['GPU-unknown']]);
    await refusal(node, [[lost]]);
    await refusal(node, [[lost]]);
    const after = await metrics();
    const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    const refused = `slicewise_refusals_total{resource="nvidia.com/gpu",reason=`;
    expect(grown(`${refused}"unknown-device"}`)).toBe(1);
    expect(grown(`${refused}"unhealthy-device"}`)).toBe(2);
    expect(grown(`${refused}"duplicate-device"}`)).toBe(0);
    expect(grown('slicewise_allocations_total{resource="nvidia.com/gpu"}')).toBe(0);
    expect(grown('slicewise_rpc_duration_seconds_count{method="Allocate",code="FAILED_PRECONDITION"}')).toBe(
      2,
    );
  });
});

describe('GetPreferredAllocation', () => {
  const request = (
    availableIds: readonly string[],
    requiredIds: readonly string[],
    size: number,
  ): { availableIds: readonly string[]; requiredIds: readonly string[]; size: number } => ({
    availableIds,
    requiredIds,
    size,
  });

  it('proposes as many as asked, the required ones first', async () => {
    const [, second = '', third = ''] = node.gpuIds;
    expect(await prefer(node, [request([third, second, good], [third], 2)])).toEqual([[third, good]]);
  });

  it('answers nonsense without an error', async () => {
    const nonsense = [
      request([], [], 1),
      request([], [], 0),
      request([good], [], 3),
      request([good], [], -2),
      request([good, good, good], [good, good], 2),
      request(['GPU-unknown', '', good], ['GPU-other'], 2),
      request([good], ['GPU-unknown', other], 1),
      request(many, many.slice(0, 10), 50_000),
      request([good], [], 2_000_000_000),
    ];
    for (const each of nonsense) {
      const [proposed = [], ...more] = await prefer(node, [each]);
      expect(more).toEqual([]);
      expect(proposed.length).toBeLessThanOrEqual(Math.max(0, each.size));
      expect(new Set(proposed).size).toBe(proposed.length);
    }
    expect(await prefer(node, [])).toEqual([]);
    expect(await prefer(node, nonsense)).toHaveLength(nonsense.length);
    await expectSound();
  });
});

describe('PreStartContainer', () => {
  it('never fails', async () => {
    for (const ids of [[], [good], ['GPU-unknown', ''], [good, good], many])
      await expect(preStart(node, ids)).resolves.not.toThrow();
    await expectSound();
  });
});

describe('all the while', () => {
  it('the kubelet kept its one registration, and the agent has logged no error', () => {
    expect(node.happened('registering')).toHaveLength(1);
    expect(node.happened('stream-ended')).toEqual([]);
    expect(agent.log.filter(({ level }) => level === 'error' || level === 'text')).toEqual([]);
  });
});

/** The next good request is served, and what the agent says of itself adds up. */
async function expectSound(): Promise<void> {
  const before = await metrics();
  const answer = await allocateOne(node, [good]);
  expect(answer.envs['NVIDIA_VISIBLE_DEVICES']).toBe(good);
  const after = await metrics();
  const allocations = 'slicewise_allocations_total{resource="nvidia.com/gpu"}';
  expect(after.get(allocations)).toBe((before.get(allocations) ?? 0) + 1);
  expect(after.get('slicewise_devices{resource="nvidia.com/gpu",health="healthy"}')).toBe(3);
  expect(after.get('slicewise_devices{resource="nvidia.com/gpu",health="unhealthy"}')).toBe(1);
  expect(after.get('slicewise_kubelet_connected{resource="nvidia.com/gpu"}')).toBe(1);
}

/** Every series with its value. */
async function metrics(): Promise<ReadonlyMap<string, number>> {
  const { port } = await agent.waitForLog(({ msg }) => msg.startsWith('serving /livez'));
  const response = await fetch(`http://127.0.0.1:${String(port)}/metrics`);
  const lines = (await response.text()).split('\n').filter((line) => /^\w/.test(line));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}
