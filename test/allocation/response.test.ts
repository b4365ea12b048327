import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildResponse } from '../../src/allocation/response.ts';
import type { DeviceNodes } from '../../src/inventory/device-nodes.ts';
import type { PlannedDevice } from '../../src/resources/planned-device.ts';
import { devicesOf } from '../support/plans.ts';
import { gpu, instance, migGpu } from '../support/snapshots.ts';
import { settings } from '../support/response-settings.ts';

/** A driver container's root, so that host and container paths differ. */
const nodes: DeviceNodes = {
  control: ['/dev/nvidiactl', '/dev/nvidia-uvm'].map((path) => ({
    hostPath: `/run/nvidia/driver${path}`,
    containerPath: path,
  })),
  imexChannels: [],
  gpuNode: (minor) => ({
    hostPath: `/run/nvidia/driver/dev/nvidia${minor}`,
    containerPath: `/dev/nvidia${minor}`,
  }),
  capabilityNode: (path) => ({ hostPath: `/run/nvidia/driver${path}`, containerPath: path }),
};

const channel = '/dev/nvidia-caps-imex-channels/channel0';
const withChannel: DeviceNodes = {
  ...nodes,
  imexChannels: [{ id: 0, hostPath: channel, containerPath: channel }],
};

/** Devices of these GPU indexes; a GPU's minor number is not its index. */
function devices(...indexes: number[]): readonly PlannedDevice[] {
  const gpus = indexes.map((index) => gpu(index, { minor: 7 - index }));
  return devicesOf(gpus);
}

const [first, third] = [gpu(1).uuid, gpu(3).uuid];

describe('buildResponse', () => {
  it('lists the devices in an environment variable, and nothing else', () => {
    const response = buildResponse(devices(1, 3), settings, nodes, null);
    expect(response.envs).toEqual({ NVIDIA_VISIBLE_DEVICES: `${first},${third}` });
    expect(response.mounts).toEqual([]);
    expect(response.devices).toEqual([]);
    expect(response.cdiDevices).toEqual([]);
  });

  it('names devices by index when told to', () => {
    const response = buildResponse(devices(1, 3), { ...settings, deviceIdStrategy: 'index' }, nodes, null);
    expect(response.envs['NVIDIA_VISIBLE_DEVICES']).toBe('1,3');
  });

  it('lists the devices as mounts of /dev/null for volume-mounts', () => {
    const response = buildResponse(
      devices(1, 3),
      { ...settings, deviceListStrategies: ['volume-mounts'] },
      nodes,
      null,
    );
    const folder = '/var/run/nvidia-container-devices';
    expect(response.envs).toEqual({ NVIDIA_VISIBLE_DEVICES: folder });
    expect(response.mounts).toEqual([
      { hostPath: '/dev/null', containerPath: `${folder}/${first}`, readOnly: false },
      { hostPath: '/dev/null', containerPath: `${folder}/${third}`, readOnly: false },
    ]);
  });

  it('lets the mounts win over the variable when both strategies are on', () => {
    for (const deviceListStrategies of [
      ['envvar', 'volume-mounts'],
      ['volume-mounts', 'envvar'],
    ] as const) {
      const response = buildResponse(devices(1), { ...settings, deviceListStrategies }, withChannel, null);
      expect(response.envs).toEqual({
        NVIDIA_VISIBLE_DEVICES: '/var/run/nvidia-container-devices',
        NVIDIA_IMEX_CHANNELS: '0',
      });
      expect(response.mounts.map((mount) => mount.containerPath)).toEqual([
        `/var/run/nvidia-container-devices/${first}`,
        '/var/run/nvidia-container-devices/imex/0',
      ]);
    }
  });

  it('hands out each device node once: control nodes, GPUs by minor number in order of index, channels', () => {
    const response = buildResponse(devices(1, 3), { ...settings, passDeviceSpecs: true }, withChannel, null);
    expect(response.devices).toEqual([
      { hostPath: '/run/nvidia/driver/dev/nvidiactl', containerPath: '/dev/nvidiactl', permissions: 'rw' },
      { hostPath: '/run/nvidia/driver/dev/nvidia-uvm', containerPath: '/dev/nvidia-uvm', permissions: 'rw' },
      { hostPath: '/run/nvidia/driver/dev/nvidia6', containerPath: '/dev/nvidia6', permissions: 'rw' },
      { hostPath: '/run/nvidia/driver/dev/nvidia4', containerPath: '/dev/nvidia4', permissions: 'rw' },
      { hostPath: channel, containerPath: channel, permissions: 'rw' },
    ]);
  });

  it.each([
    ['gdrcopy', 'NVIDIA_GDRCOPY'],
    ['gds', 'NVIDIA_GDS'],
    ['mofed', 'NVIDIA_MOFED'],
  ] as const)('says %s by %s under every strategy', (feature, name) => {
    const features = { ...settings.features, [feature]: true };
    for (const strategy of ['envvar', 'volume-mounts'] as const) {
      const response = buildResponse(
        devices(1),
        { ...settings, features, deviceListStrategies: [strategy] },
        nodes,
        null,
      );
      expect(response.envs[name]).toBe('enabled');
      expect(Object.keys(response.envs)).toHaveLength(2);
    }
  });

  describe('of MIG instances and time slices', () => {
    const timeSlicing = {
      renameByDefault: false,
      failRequestsGreaterThanOne: false,
      resources: [
        { name: 'nvidia.com/gpu', devices: 'all', replicas: 2 },
        { name: 'nvidia.com/mig-1g.5gb', devices: 'all', replicas: 2 },
      ],
    } as const;
    const instances = devicesOf([migGpu(2, ['1g.5gb', '1g.5gb'], { minor: 5 })], {
      migStrategy: 'mixed',
      timeSlicing,
    });
    const slices = devicesOf([gpu(0), gpu(1)], { timeSlicing });
    const [one, two] = [instance(1, '', 2), instance(2, '', 2)];

    it.each([
      ['uuid', `${one.uuid},${two.uuid}`, `${gpu(0).uuid},${gpu(1).uuid}`],
      ['index', '2:0,2:1', '0,1'],
    ] as const)('names each once by %s, in the order given', (deviceIdStrategy, mig, whole) => {
      const answer = (granted: readonly PlannedDevice[]) =>
        buildResponse(granted, { ...settings, deviceIdStrategy }, nodes, null).envs['NVIDIA_VISIBLE_DEVICES'];
      expect(answer(instances)).toBe(mig);
      expect(answer(slices)).toBe(whole);
      expect(answer(slices.slice(1, 3))).toBe(whole);
    });

    it('hands out the node of the GPU, then those of the instance', () => {
      const withSpecs = { ...settings, passDeviceSpecs: true };
      const paths = buildResponse(instances, withSpecs, nodes, null).devices.map(
        ({ containerPath }) => containerPath,
      );
      const caps = [...one.capabilityNodes, ...two.capabilityNodes];
      expect(paths).toEqual(['/dev/nvidiactl', '/dev/nvidia-uvm', '/dev/nvidia5', ...caps]);
    });

    it('records the GPU, the instance and its memory', () => {
      const record = (granted: readonly PlannedDevice[]): unknown =>
        JSON.parse(
          buildResponse(granted, settings, nodes, null).annotations['slicewise.io/allocation'] ?? '',
        );
      expect(record(instances.slice(0, 2))).toEqual({
        version: 1,
        gpus: [{ uuid: gpu(2).uuid, mig: one.uuid, mib: 4864 }],
      });
      expect(record(slices.slice(0, 2))).toEqual({ version: 1, gpus: [{ uuid: gpu(0).uuid, mib: 40_960 }] });
    });

    it('goes by the CDI name of the instance', () => {
      const names = {
        gpus: new Map([one, two].map(({ uuid }) => [uuid, `v.example/gpu=${uuid}`])),
        others: [],
      };
      const cri = { ...settings, deviceListStrategies: ['cdi-cri'] as const };
      const { cdiDevices } = buildResponse(instances, cri, nodes, { names, id: '0' });
      expect(cdiDevices).toEqual([`v.example/gpu=${one.uuid}`, `v.example/gpu=${two.uuid}`]);
    });
  });

  describe('by CDI name', () => {
    const names = {
      gpus: new Map([first, third].map((uuid) => [uuid, `v.example/gpu=${uuid}`])),
      others: ['v.example/imex-channel=0', 'v.example/gds=all'],
    };
    const request = { names, id: '00000000-0000-4000-8000-000000000000' };
    const list = [...names.gpus.values(), ...names.others];
    const annotation = `cdi.k8s.io/nvidia-device-plugin_${request.id}`;
    const withSpecs = { ...settings, passDeviceSpecs: true, features: { ...settings.features, gds: true } };

    it.each([
      [['cdi-cri'], list, undefined],
      [['cdi-annotations'], [], list.join(',')],
      [['cdi-annotations', 'cdi-cri'], list, list.join(',')],
    ] as const)('%j alone: no variable of the runtime, no mounts, no nodes', (strategies, cri, value) => {
      const response = buildResponse(
        devices(1, 3),
        { ...withSpecs, deviceListStrategies: strategies },
        withChannel,
        request,
      );
      expect(response).toMatchObject({ envs: { NVIDIA_GDS: 'enabled' }, mounts: [], devices: [] });
      expect(response.envs).not.toHaveProperty('NVIDIA_VISIBLE_DEVICES');
      expect(response.cdiDevices).toEqual(cri);
      expect(response.annotations[annotation]).toBe(value);
    });

    it('beside another strategy leaves all of that in place, in whatever order', () => {
      const orders = [
        ['envvar', 'cdi-cri'],
        ['cdi-cri', 'envvar'],
      ] as const;
      const [one, other] = orders.map((deviceListStrategies) =>
        buildResponse(devices(1, 3), { ...withSpecs, deviceListStrategies }, withChannel, request),
      );
      expect(one).toEqual(other);
      expect(one?.envs).toMatchObject({
        NVIDIA_VISIBLE_DEVICES: `${first},${third}`,
        NVIDIA_IMEX_CHANNELS: '0',
      });
      expect(one?.devices).toHaveLength(5);
      expect(one?.cdiDevices).toEqual(list);
    });

    it('is never silently short of a device', () => {
      const only = { ...request, names: { gpus: new Map(), others: [] } };
      const cri = { ...settings, deviceListStrategies: ['cdi-cri'] as const };
      expect(() => buildResponse(devices(1), cri, nodes, only)).toThrow('without a CDI name');
    });
  });

  it('carries the record of what was booked whatever the settings', () => {
    const anySettings = fc.record({
      deviceListStrategies: fc.subarray(['envvar', 'volume-mounts', 'cdi-cri'] as const),
      deviceIdStrategy: fc.constantFrom('uuid' as const, 'index' as const),
      passDeviceSpecs: fc.boolean(),
      imexChannelIds: fc.constant([]),
      features: fc.record({ gdrcopy: fc.boolean(), gds: fc.boolean(), mofed: fc.boolean() }),
      cdiAnnotationPrefix: fc.constant('cdi.k8s.io/'),
    });
    fc.assert(
      fc.property(anySettings, (any) => {
        const response = buildResponse(devices(1, 3), any, nodes, null);
        expect(JSON.parse(response.annotations['slicewise.io/allocation'] ?? '')).toEqual({
          version: 1,
          gpus: [
            { uuid: first, mib: 40_960 },
            { uuid: third, mib: 40_960 },
          ],
        });
        expect(Object.keys(response.annotations)).toHaveLength(1);
      }),
    );
  });
});
