import { describe, it } from 'vitest';
import type { ContainerResponse } from '../../src/allocation/response.ts';
import { gpuResource, openKubeletNode, type KubeletNodeOptions } from './support/kubelet-node.ts';
import { allocateOne } from './support/plugin-calls.ts';

const [first, second, third] = ['a', 'b', 'c'].map(
  (letter) => `GPU-${letter.repeat(8)}-0000-0000-0000-000000000000`,
) as [string, string, string];

/** Three GPUs whose minor numbers and memory differ, and whose ids do not sort as their indexes. */
const gpus: KubeletNodeOptions['gpus'] = {
  gpus: [
    { model: 't4', uuid: third, minor: 5, memoryTotalMiB: 15_360 },
    { model: 't4', uuid: first, minor: 0, memoryTotalMiB: 15_361 },
    { model: 't4', uuid: second, minor: 9, memoryTotalMiB: 15_362 },
  ],
};

const folder = '/var/run/nvidia-container-devices';
const record = {
  'slicewise.io/allocation': JSON.stringify({
    version: 1,
    gpus: [
      { uuid: third, mib: 15_360 },
      { uuid: first, mib: 15_361 },
      { uuid: second, mib: 15_362 },
    ],
  }),
};
const mount = (name: string): ContainerResponse['mounts'][number] => ({
  hostPath: '/dev/null',
  containerPath: `${folder}/${name}`,
  readOnly: false,
});
const nothing: ContainerResponse = { envs: {}, mounts: [], devices: [], annotations: record, cdiDevices: [] };

/** The answer for all three GPUs under some flags: in order of index, however the ids come. */
const answers: readonly [name: string, args: readonly string[], answer: ContainerResponse][] = [
  [
    'nothing set: one variable, and the record',
    [],
    { ...nothing, envs: { NVIDIA_VISIBLE_DEVICES: [third, first, second].join(',') } },
  ],
  [
    'ids by index',
    ['--device-id-strategy', 'index'],
    { ...nothing, envs: { NVIDIA_VISIBLE_DEVICES: '0,1,2' } },
  ],
  [
    'volume mounts',
    ['--device-list-strategy', 'volume-mounts'],
    {
      ...nothing,
      envs: { NVIDIA_VISIBLE_DEVICES: folder },
      mounts: [mount(third), mount(first), mount(second)],
    },
  ],
  [
    'volume mounts by index',
    ['--device-list-strategy', 'volume-mounts', '--device-id-strategy', 'index'],
    { ...nothing, envs: { NVIDIA_VISIBLE_DEVICES: folder }, mounts: [mount('0'), mount('1'), mount('2')] },
  ],
  [
    'both strategies: the variable points to the mounts',
    ['--device-list-strategy', 'envvar,volume-mounts'],
    {
      ...nothing,
      envs: { NVIDIA_VISIBLE_DEVICES: folder },
      mounts: [mount(third), mount(first), mount(second)],
    },
  ],
];

describe('the answer to Allocate', () => {
  it.concurrent.for(answers)('%s', async ([, args, answer], { expect: check }) => {
    await using node = await openKubeletNode({ gpus });
    await node.startServingAgent(args);
    for (const ids of orders([first, second, third])) check(await allocateOne(node, ids)).toEqual(answer);
  });

  it.concurrent(
    'holds the device nodes by minor number, under the device root',
    async ({ expect: check }) => {
      await using node = await openKubeletNode({ gpus });
      await node.startServingAgent(['--pass-device-specs', '--nvidia-dev-root', '/run/driver']);
      const { devices } = await allocateOne(node, [first, second, third]);
      // Control nodes come with them where the machine has some.
      const gpuNodes = devices.filter(({ containerPath }) => /^\/dev\/nvidia\d+$/.test(containerPath));
      check(gpuNodes).toEqual(
        [5, 0, 9].map((minor) => ({
          hostPath: `/run/driver/dev/nvidia${minor}`,
          containerPath: `/dev/nvidia${minor}`,
          permissions: 'rw',
        })),
      );
      const [only] = (await allocateOne(node, [second])).devices.slice(-1);
      check(only?.containerPath).toBe('/dev/nvidia9');
    },
  );

  it.concurrent('is what the container starts with, and starts with again', async ({ expect: check }) => {
    await using node = await openKubeletNode({ gpus });
    await node.startServingAgent();
    const pod = await node.admit('p', 3);
    const response = pod.containers[0]?.given.get(gpuResource)?.response;
    check(response?.envs['NVIDIA_VISIBLE_DEVICES']).toBe([third, first, second].join(','));
    check(response?.annotations).toEqual(record);
    const again = await node.kubelet.restartContainer(pod, 'main');
    check(again[gpuResource]).toEqual(response);
  });
});

function orders(ids: readonly string[]): readonly (readonly string[])[] {
  if (ids.length <= 1) return [ids];
  return ids.flatMap((id) => orders(ids.filter((each) => each !== id)).map((rest) => [id, ...rest]));
}
