import fc from 'fast-check';
import type { CdiPlanInput } from '../../src/allocation/cdi/cdi-plan.ts';
import { noDriverFiles } from '../../src/allocation/cdi/driver-files.ts';
import type { DeviceNodes } from '../../src/inventory/device-nodes.ts';
import { gpu, instance } from '../support/snapshots.ts';

/** Device nodes of a driver container, so that paths on the host and in a container differ. */
const containerNodes: DeviceNodes = {
  control: ['/dev/nvidiactl', '/dev/nvidia-uvm'].map(underDriver),
  imexChannels: [],
  gpuNode: (minor) => underDriver(`/dev/nvidia${minor}`),
  capabilityNode: underDriver,
};

/** A node with these GPU indexes of which nothing was found but the GPUs. */
export function bareInput(...indexes: readonly number[]): CdiPlanInput {
  return {
    gpus: indexes.map((index) => gpu(index)),
    deviceIdStrategy: 'uuid',
    nodes: containerNodes,
    driver: noDriverFiles,
    display: new Map(),
    features: new Map(),
    hooks: { program: '/usr/bin/nvidia-ctk', disabled: [] },
  };
}

function underDriver(path: string) {
  return { hostPath: `/run/nvidia/driver${path}`, containerPath: path };
}

const name = fc.stringMatching(/^[a-z][a-z0-9.-]{0,12}$/);
const file = name.map((each) => underDriver(`/usr/lib64/${each}`));
const link = fc.record({ target: name, path: name.map((each) => `/usr/lib64/${each}`) });
const node = name.map((each) => underDriver(`/dev/dri/${each}`));

/** Any node: GPUs that tell little, that tell the same, or whose id no runtime takes; any of the driver's files. */
export const anyInput: fc.Arbitrary<CdiPlanInput> = fc
  .record({
    gpus: fc.array(
      fc.record({
        uuid: fc.oneof(
          fc.uuid().map((uuid) => `GPU-${uuid}`),
          fc.string({ maxLength: 20 }),
          fc.constantFrom('GPU-same', '', 'a b', '-x', 'x='),
        ),
        index: fc.nat(9),
        minor: fc.option(fc.nat(255)),
        migInstances: fc.array(
          fc
            .record({
              uuid: fc.oneof(
                fc.uuid().map((uuid) => `MIG-${uuid}`),
                fc.constantFrom('MIG-same', 'MIG-GPU-x/1/0', ''),
              ),
              profile: fc.constantFrom('1g.5gb', '1g.24gb+gfx'),
              capabilityNodes: fc.constantFrom([], ['/dev/nvidia-caps/nvidia-cap12']),
            })
            .map((own) => ({ ...instance(0, '1g.5gb'), ...own })),
          { maxLength: 3 },
        ),
      }),
      { maxLength: 6 },
    ),
    deviceIdStrategy: fc.constantFrom('uuid' as const, 'index' as const),
    channels: fc.subarray([0, 1, 2]),
    version: fc.option(fc.constantFrom('590.48.01', '570.1')),
    libraries: fc.array(file, { maxLength: 4 }),
    links: fc.array(link, { maxLength: 4 }),
    others: fc.array(file, { maxLength: 3 }),
    sockets: fc.array(file, { maxLength: 2 }),
    displayNodes: fc.array(node, { maxLength: 2 }),
    displayLinks: fc.array(link, { maxLength: 2 }),
    features: fc.subarray(['gdrcopy', 'gds', 'mofed'] as const),
    featureNodes: fc.array(node, { maxLength: 2 }),
    featureMounts: fc.array(file, { maxLength: 2 }),
    program: fc.constantFrom('/usr/bin/nvidia-ctk', '/usr/bin/nvidia-cdi-hook', null),
    disabled: fc.subarray(['all', 'update-ldcache', 'create-symlinks', 'enable-cuda-compat'] as const),
  })
  .map(({ gpus, deviceIdStrategy, ...any }) => ({
    gpus,
    deviceIdStrategy,
    nodes: {
      ...containerNodes,
      imexChannels: any.channels.map((id) => ({
        id,
        ...underDriver(`/dev/nvidia-caps-imex-channels/channel${id}`),
      })),
    },
    driver: {
      version: any.version,
      libraries: any.libraries,
      links: any.links,
      others: any.others,
      sockets: any.sockets,
    },
    display: new Map(gpus.map(({ uuid }) => [uuid, { nodes: any.displayNodes, links: any.displayLinks }])),
    features: new Map(
      any.features.map((feature) => [feature, { nodes: any.featureNodes, mounts: any.featureMounts }]),
    ),
    hooks: { program: any.program, disabled: any.disabled },
  }));
