import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HookName } from '../../../src/allocation/cdi/cdi-hooks.ts';
import { planCdi } from '../../../src/allocation/cdi/cdi-plan.ts';
import { checkSpec } from '../../../src/allocation/cdi/cdi-rules.ts';
import { renderSpec, type CdiSpec } from '../../../src/allocation/cdi/cdi-spec.ts';
import type { DriverFiles } from '../../../src/allocation/cdi/driver-files.ts';
import { gpu, instance, migGpu } from '../../support/snapshots.ts';
import { anyInput, bareInput } from '../cdi-inputs.ts';

const driver: DriverFiles = {
  version: '590.48.01',
  libraries: ['/usr/lib64/libcuda.so.590.48.01', '/usr/lib64/vdpau/libvdpau_nvidia.so.590.48.01'].map(
    (path) => ({
      hostPath: `/run/nvidia/driver${path}`,
      containerPath: path,
    }),
  ),
  links: [{ target: 'libcuda.so.590.48.01', path: '/usr/lib64/libcuda.so.1' }],
  others: [],
  sockets: [],
};

function gpuSpec(input: Parameters<typeof planCdi>[0]): CdiSpec {
  const spec = planCdi(input).specs.get('gpu');
  if (spec === undefined) throw new Error('There is no spec of GPUs');
  return spec;
}

/** Each hook's arguments after those that every hook has. */
function hooksOf(program: string | null, disabled: readonly HookName[] = []): readonly string[] {
  const { containerEdits } = gpuSpec({ ...bareInput(0), driver, hooks: { program, disabled } });
  return (containerEdits?.hooks ?? []).map(({ args }) => args.join(' '));
}

describe('planCdi', () => {
  it('makes specs that break no rule, whatever the node is like', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const { specs } = planCdi(input);
        for (const spec of specs.values()) expect(checkSpec(spec)).toEqual([]);
      }),
    );
  });

  it('has a name or a fault for every GPU, and a device for every name', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const { specs, names, faults } = planCdi(input);
        const uuids = input.gpus.flatMap(({ uuid, migInstances }) => [
          uuid,
          ...migInstances.map((mig) => mig.uuid),
        ]);
        for (const uuid of uuids) expect(names.gpus.has(uuid) || faults.has(uuid)).toBe(true);
        const described = [...specs.values()].flatMap(({ kind, devices }) =>
          devices.map(({ name }) => `${kind}=${name}`),
        );
        const given = [...names.gpus.values(), ...names.others];
        expect(described.toSorted()).toEqual(given.toSorted());
      }),
    );
  });

  it('is the same for the same GPUs in another order', () => {
    const [there, back] = [bareInput(0, 1, 2), bareInput(2, 0, 1)].map((input) => renderSpec(gpuSpec(input)));
    expect(there).toBe(back);
  });

  it('describes MIG instances beside their GPU, with the nodes of both, and a display for those with graphics', () => {
    const display = { nodes: [{ hostPath: '/dev/dri/card0', containerPath: '/dev/dri/card0' }], links: [] };
    const [plain, graphics] = [instance(1, '1g.24gb'), instance(2, '1g.24gb+gfx')];
    const input = {
      ...bareInput(),
      gpus: [migGpu(0, [], { migInstances: [plain, graphics] })],
      display: new Map([[gpu(0).uuid, display]]),
    };
    const nodesByName = (own: CdiSpec) =>
      own.devices.map(({ name, containerEdits }) => [
        name,
        containerEdits.deviceNodes?.map(({ path }) => path),
      ]);
    expect(nodesByName(gpuSpec(input))).toEqual([
      [gpu(0).uuid, ['/dev/nvidia0', '/dev/dri/card0']],
      [plain.uuid, ['/dev/nvidia0', ...plain.capabilityNodes]],
      [graphics.uuid, ['/dev/nvidia0', ...graphics.capabilityNodes, '/dev/dri/card0']],
    ]);
    expect(gpuSpec(input).devices[1]?.containerEdits.deviceNodes?.[1]?.hostPath).toBe(
      `/run/nvidia/driver${plain.capabilityNodes[0]}`,
    );
    const byIndex = gpuSpec({ ...input, deviceIdStrategy: 'index' });
    expect(byIndex.devices.map(({ name }) => name)).toEqual(['0', '0:0', '0:1']);
    expect(planCdi(input).names.gpus.get(plain.uuid)).toBe(`k8s.device-plugin.nvidia.com/gpu=${plain.uuid}`);
  });

  it('leaves a MIG instance out whose nodes are unknown, and not its sibling', () => {
    const [known, unknown] = [instance(1, '1g.5gb'), { ...instance(2, '1g.5gb'), capabilityNodes: [] }];
    const plan = planCdi({ ...bareInput(), gpus: [migGpu(0, [], { migInstances: [known, unknown] })] });
    expect([...plan.names.gpus.keys()]).toEqual([gpu(0).uuid, known.uuid]);
    expect(plan.faults.get(unknown.uuid)).toContain('/dev/nvidia-caps');
  });

  it('names GPUs by index when told to, which takes a newer version of the format', () => {
    const nodes = {
      ...bareInput().nodes,
      control: [],
      gpuNode: (minor: number) => ({ hostPath: `/dev/nvidia${minor}`, containerPath: `/dev/nvidia${minor}` }),
    };
    const byUuid = gpuSpec({ ...bareInput(0, 1), nodes });
    const byIndex = gpuSpec({ ...bareInput(0, 1), nodes, deviceIdStrategy: 'index' });
    expect(byUuid).toMatchObject({
      cdiVersion: '0.3.0',
      devices: [{ name: gpu(0).uuid }, { name: gpu(1).uuid }],
    });
    expect(byIndex).toMatchObject({ cdiVersion: '0.5.0', devices: [{ name: '0' }, { name: '1' }] });
  });

  it('describes no node without GPUs', () => {
    expect(planCdi(bareInput()).specs.size).toBe(0);
  });

  it('leaves a GPU without a minor number out, with the reason', () => {
    const plan = planCdi({ ...bareInput(0), gpus: [gpu(0), gpu(1, { minor: null })] });
    expect(plan.names.gpus.size).toBe(1);
    expect(plan.faults.get(gpu(1).uuid)).toContain('/dev/nvidia<N>');
  });

  it('gives what comes with every GPU a spec of its own, unless there is nothing of it', () => {
    const node = { hostPath: '/dev/gdrdrv', containerPath: '/dev/gdrdrv' };
    const input = {
      ...bareInput(0),
      nodes: { ...bareInput().nodes, imexChannels: [{ id: 0, ...node }] },
      features: new Map([
        ['gdrcopy', { nodes: [node], mounts: [] }],
        ['mofed', { nodes: [], mounts: [] }],
      ] as const),
    };
    const plan = planCdi(input);
    expect([...plan.specs.keys()]).toEqual(['gpu', 'imex-channel', 'gdrcopy']);
    expect(plan.names.others).toEqual([
      'k8s.device-plugin.nvidia.com/imex-channel=0',
      'k8s.device-plugin.nvidia.com/gdrcopy=all',
    ]);
  });
});

describe('hooks', () => {
  const all = [
    'create-symlinks --link libcuda.so.590.48.01::/usr/lib64/libcuda.so.1',
    'enable-cuda-compat --host-driver-version=590.48.01',
    'update-ldcache --folder /usr/lib64 --folder /usr/lib64/vdpau',
    'disable-device-node-modification',
    'update-application-profile',
  ];

  it.each([
    ['/usr/bin/nvidia-cdi-hook', [], all.map((hook) => `nvidia-cdi-hook ${hook}`)],
    ['/opt/nvidia-ctk', [], all.map((hook) => `nvidia-ctk hook ${hook}`)],
    ['/opt/x', ['all'], []],
    [null, [], []],
    ['/opt/x', ['create-symlinks', 'chmod'], all.slice(1).map((hook) => `x ${hook}`)],
  ] as const)('by %s without %j', (program, disabled, expected) => {
    expect(hooksOf(program, disabled)).toEqual(expected);
  });

  it('are none without libraries', () => {
    expect(gpuSpec(bareInput(0)).containerEdits?.hooks).toBeUndefined();
  });
});
