import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import type { ContainerResponse } from '../allocation/response.ts';
import type {
  AllocateAnswer,
  ContainerDevices,
  IdsByContainer,
  ListedDevice,
  PluginOptions,
  PreferenceRequest,
  RegisterRequest,
  ResourceDevices,
} from './contract.ts';
import { encodeDeviceList } from './encode-list.ts';
import { loadContract } from './proto-files.ts';

/** How one message is read from the parsed protobuf object and written to it. */
interface Codec<Value, Wire> {
  read(wire: Wire): Value;
  write(value: Value): Wire;
}

type AnyMethod = MethodDefinition<object, object>;

/** The gRPC method of a loaded contract, with the program's own types on both sides of the wire. */
function method<Request, RequestWire, Response, ResponseWire>(
  service: ServiceDefinition,
  name: string,
  request: Codec<Request, RequestWire>,
  response: Codec<Response, ResponseWire>,
): MethodDefinition<Request, Response> {
  const loaded = service[name] as AnyMethod | undefined;
  if (loaded === undefined) throw new Error(`The contract in proto/ has no method ${name}`);
  return {
    path: loaded.path,
    requestStream: loaded.requestStream,
    responseStream: loaded.responseStream,
    requestSerialize: (value) => loaded.requestSerialize(request.write(value) as object),
    requestDeserialize: (bytes) => request.read(loaded.requestDeserialize(bytes) as RequestWire),
    responseSerialize: (value) => loaded.responseSerialize(response.write(value) as object),
    responseDeserialize: (bytes) => response.read(loaded.responseDeserialize(bytes) as ResponseWire),
  };
}

/** A message without fields. The gRPC library takes `undefined` for a message that is missing, so it is read as an object. */
const nothing: Codec<void, object> = { read: () => ({}), write: () => ({}) };

interface OptionsWire {
  pre_start_required: boolean;
  get_preferred_allocation_available: boolean;
}

const pluginOptions: Codec<PluginOptions, OptionsWire> = {
  read: (wire) => ({
    preStartRequired: wire.pre_start_required,
    preferredAllocationAvailable: wire.get_preferred_allocation_available,
  }),
  write: (value) => ({
    pre_start_required: value.preStartRequired,
    get_preferred_allocation_available: value.preferredAllocationAvailable,
  }),
};

interface RegisterWire {
  version: string;
  endpoint: string;
  resource_name: string;
  options: OptionsWire | null;
}

const registerRequest: Codec<RegisterRequest, RegisterWire> = {
  read: (wire) => ({
    version: wire.version,
    endpoint: wire.endpoint,
    resourceName: wire.resource_name,
    options:
      wire.options === null
        ? { preStartRequired: false, preferredAllocationAvailable: false }
        : pluginOptions.read(wire.options),
  }),
  write: (value) => ({
    version: value.version,
    endpoint: value.endpoint,
    resource_name: value.resourceName,
    options: pluginOptions.write(value.options),
  }),
};

interface DeviceWire {
  ID: string;
  health: string;
  topology: { nodes: { ID: number }[] } | null;
}

const deviceList: Codec<readonly ListedDevice[], { devices: DeviceWire[] }> = {
  read: (wire) =>
    wire.devices.map((device) => ({
      id: device.ID,
      health: device.health === 'Healthy' ? 'Healthy' : 'Unhealthy',
      numaNode: device.topology?.nodes[0]?.ID ?? null,
    })),
  write: (devices) => ({
    devices: devices.map(({ id, health, numaNode }) => ({
      ID: id,
      health,
      topology: numaNode === null ? null : { nodes: [{ ID: numaNode }] },
    })),
  }),
};

interface PreferenceWire {
  available_deviceIDs: string[];
  must_include_deviceIDs: string[];
  allocation_size: number;
}

const preferenceRequests: Codec<readonly PreferenceRequest[], { container_requests: PreferenceWire[] }> = {
  read: (wire) =>
    wire.container_requests.map((request) => ({
      availableIds: request.available_deviceIDs,
      requiredIds: request.must_include_deviceIDs,
      size: request.allocation_size,
    })),
  write: (requests) => ({
    container_requests: requests.map((request) => ({
      available_deviceIDs: [...request.availableIds],
      must_include_deviceIDs: [...request.requiredIds],
      allocation_size: request.size,
    })),
  }),
};

const preferredIds: Codec<IdsByContainer, { container_responses: { deviceIDs: string[] }[] }> = {
  read: (wire) => wire.container_responses.map((response) => response.deviceIDs),
  write: (containers) => ({ container_responses: containers.map((ids) => ({ deviceIDs: [...ids] })) }),
};

const requestedIds: Codec<IdsByContainer, { container_requests: { devices_ids: string[] }[] }> = {
  read: (wire) => wire.container_requests.map((request) => request.devices_ids),
  write: (containers) => ({ container_requests: containers.map((ids) => ({ devices_ids: [...ids] })) }),
};

interface ContainerResponseWire {
  envs: Record<string, string>;
  mounts: { container_path: string; host_path: string; read_only: boolean }[];
  devices: { container_path: string; host_path: string; permissions: string }[];
  annotations: Record<string, string>;
  cdi_devices: { name: string }[];
}

const containerResponse: Codec<ContainerResponse, ContainerResponseWire> = {
  read: (wire) => ({
    envs: wire.envs,
    mounts: wire.mounts.map((mount) => ({
      hostPath: mount.host_path,
      containerPath: mount.container_path,
      readOnly: mount.read_only,
    })),
    devices: wire.devices.map((device) => ({
      hostPath: device.host_path,
      containerPath: device.container_path,
      permissions: device.permissions,
    })),
    annotations: wire.annotations,
    cdiDevices: wire.cdi_devices.map(({ name }) => name),
  }),
  write: (value) => ({
    envs: value.envs,
    mounts: value.mounts.map((mount) => ({
      host_path: mount.hostPath,
      container_path: mount.containerPath,
      read_only: mount.readOnly,
    })),
    devices: value.devices.map((device) => ({
      host_path: device.hostPath,
      container_path: device.containerPath,
      permissions: device.permissions,
    })),
    annotations: value.annotations,
    cdi_devices: value.cdiDevices.map((name) => ({ name })),
  }),
};

const allocateAnswer: Codec<AllocateAnswer, { container_responses: ContainerResponseWire[] }> = {
  read: (wire) => wire.container_responses.map((response) => containerResponse.read(response)),
  write: (answer) => ({ container_responses: answer.map((response) => containerResponse.write(response)) }),
};

const startedIds: Codec<readonly string[], { devices_ids: string[] }> = {
  read: (wire) => wire.devices_ids,
  write: (ids) => ({ devices_ids: [...ids] }),
};

interface DevicesWire {
  resource_name: string;
  device_ids: string[];
}

const resourceDevices: Codec<ResourceDevices, DevicesWire> = {
  read: (wire) => ({ resourceName: wire.resource_name, deviceIds: wire.device_ids }),
  write: (value) => ({ resource_name: value.resourceName, device_ids: [...value.deviceIds] }),
};

interface PodResourcesWire {
  pod_resources: {
    name: string;
    namespace: string;
    containers: { name: string; devices: DevicesWire[] }[];
  }[];
}

const podDevices: Codec<readonly ContainerDevices[], PodResourcesWire> = {
  read: (wire) =>
    wire.pod_resources.flatMap((pod) =>
      pod.containers.flatMap((container) =>
        container.devices.map((devices) => ({
          namespace: pod.namespace,
          pod: pod.name,
          container: container.name,
          ...resourceDevices.read(devices),
        })),
      ),
    ),
  write: (containers) => ({
    pod_resources: containers.map((entry) => ({
      name: entry.pod,
      namespace: entry.namespace,
      containers: [{ name: entry.container, devices: [resourceDevices.write(entry)] }],
    })),
  }),
};

const allocatableDevices: Codec<readonly ResourceDevices[], { devices: DevicesWire[] }> = {
  read: (wire) => wire.devices.map((devices) => resourceDevices.read(devices)),
  write: (devices) => ({ devices: devices.map((entry) => resourceDevices.write(entry)) }),
};

const devicePlugin = loadContract('deviceplugin');
const registration = devicePlugin['v1beta1.Registration'] as ServiceDefinition;
const plugin = devicePlugin['v1beta1.DevicePlugin'] as ServiceDefinition;
const lister = loadContract('podresources')['v1.PodResourcesLister'] as ServiceDefinition;

/** Served by the kubelet on kubelet.sock. */
export const registrationService = {
  Register: method(registration, 'Register', registerRequest, nothing),
};

/** Served by the plugin, one socket for each resource. */
export const devicePluginService = {
  GetDevicePluginOptions: method(plugin, 'GetDevicePluginOptions', nothing, pluginOptions),
  ListAndWatch: {
    ...method(plugin, 'ListAndWatch', nothing, deviceList),
    responseSerialize: encodeDeviceList,
  },
  GetPreferredAllocation: method(plugin, 'GetPreferredAllocation', preferenceRequests, preferredIds),
  Allocate: method(plugin, 'Allocate', requestedIds, allocateAnswer),
  PreStartContainer: method(plugin, 'PreStartContainer', startedIds, nothing),
};

/** Served by the kubelet in its pod-resources folder. */
export const podResourcesService = {
  List: method(lister, 'List', nothing, podDevices),
  GetAllocatableResources: method(lister, 'GetAllocatableResources', nothing, allocatableDevices),
};

/** One container's stored Allocate answer, as it lies in the kubelet's checkpoint. */
export function decodeContainerResponse(bytes: Uint8Array): ContainerResponse {
  const decode = loadedMessage('ContainerAllocateResponse').deserialize;
  return containerResponse.read(decode(Buffer.from(bytes)) as ContainerResponseWire);
}

/** The bytes that the kubelet stores for one container's Allocate answer. */
export function encodeContainerResponse(response: ContainerResponse): Uint8Array {
  return loadedMessage('ContainerAllocateResponse').serialize(containerResponse.write(response));
}

interface LoadedMessage {
  readonly serialize: (value: object) => Buffer;
  readonly deserialize: (bytes: Buffer) => object;
}

function loadedMessage(name: string): LoadedMessage {
  const type = devicePlugin[`v1beta1.${name}`];
  if (type === undefined || !('serialize' in type))
    throw new Error(`The contract in proto/ has no message ${name}`);
  return type as LoadedMessage;
}
