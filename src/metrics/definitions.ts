import { healthDefinitions } from './definitions-health.ts';
import { grpcCodes } from './grpc-codes.ts';
import { statusWriteResults } from './status-write-results.ts';

/** A container that holds something, and where. */
const containerLabels = {
  namespace: 'container',
  pod: 'container',
  container: 'container',
  uuid: 'uuid',
  resource: 'resource',
} as const;

/**
 * Every metric that the agent serves: one table, from which the instruments are built and against which a test compares
 * what is served. Names and units follow the Prometheus rules: base units, `_total` for counters. A label lists the
 * values that it can take, so that the number of series is bounded; a word (`resource`, `config`, `version`, `uuid`, `xid`, `container`) stands for
 * a value that comes from the config, the build, the GPUs, NVIDIA's catalogue of XIDs, or the containers that hold one.
 */
export const definitions = {
  buildInfo: {
    kind: 'gauge',
    name: 'slicewise_build_info',
    help: 'Always 1; the label tells the version that runs.',
    labels: { version: 'version' },
  },
  serving: {
    kind: 'gauge',
    name: 'slicewise_serving',
    help: '1 while this agent holds the lock of the node and serves, 0 while it stands by.',
    labels: {},
  },
  configValid: {
    kind: 'gauge',
    name: 'slicewise_config_valid',
    help: '1 when the config as it is written now is in force, 0 when it is refused and an earlier one, or none, is.',
    labels: {},
  },
  configInfo: {
    kind: 'gauge',
    name: 'slicewise_config_info',
    help: 'Always 1; the label tells which config of --config-dir is in force, and is empty where that is none of them. Absent without --config-dir.',
    labels: { config: 'config' },
  },
  kubeletConnected: {
    kind: 'gauge',
    name: 'slicewise_kubelet_connected',
    help: '1 while the kubelet reads the device list of the resource, else 0.',
    labels: { resource: 'resource' },
  },
  kubeletRegistrations: {
    kind: 'counter',
    name: 'slicewise_kubelet_registrations_total',
    help: 'Registrations tried at the kubelet, by their result.',
    labels: { resource: 'resource', result: ['accepted', 'refused'] },
  },
  devices: {
    kind: 'gauge',
    name: 'slicewise_devices',
    help: 'Devices in the list last given to the kubelet, by their health.',
    labels: { resource: 'resource', health: ['healthy', 'unhealthy'] },
  },
  devicesWithheld: {
    kind: 'gauge',
    name: 'slicewise_devices_withheld',
    help: 'Devices in the list that are Unhealthy, by the reason.',
    labels: {
      resource: 'resource',
      reason: ['fault', 'leaving', 'not-promised', 'other-use', 'lingering', 'books-unknown'],
    },
  },
  memoryUnitBytes: {
    kind: 'gauge',
    name: 'slicewise_memory_unit_bytes',
    help: 'How much one unit of GPU memory is; absent where no memory is offered, as all that counts in units.',
    labels: {},
  },
  memoryUnits: {
    kind: 'gauge',
    name: 'slicewise_memory_units',
    help: 'Units of memory that the GPU has.',
    labels: { uuid: 'uuid' },
  },
  memoryUnitsHeld: {
    kind: 'gauge',
    name: 'slicewise_memory_units_held',
    help: 'Units of memory of the GPU that are held.',
    labels: { uuid: 'uuid' },
  },
  memoryUnitsFree: {
    kind: 'gauge',
    name: 'slicewise_memory_units_free',
    help: 'Units of memory of the GPU that are free, and so the largest request that fits on it; 0 while it is held whole or cannot be used.',
    labels: { uuid: 'uuid' },
  },
  memoryLargestHole: {
    kind: 'gauge',
    name: 'slicewise_memory_largest_hole_units',
    help: 'Free units of the GPU that has most of them.',
    labels: {},
  },
  memoryPromised: {
    kind: 'gauge',
    name: 'slicewise_memory_promised_units',
    help: 'Free units that are shown as allocatable, of all GPUs together.',
    labels: {},
  },
  memoryPaused: {
    kind: 'gauge',
    name: 'slicewise_memory_paused',
    help: '1 while nothing new is offered of memory for this reason, else 0.',
    labels: { reason: ['starting', 'unreadable-checkpoint', 'foreign-allocation', 'other-unit'] },
  },
  containerGpu: {
    kind: 'gauge',
    name: 'slicewise_container_gpu',
    help: 'Always 1 while the container holds the GPU, or a part of it; labels are empty while the kubelet does not list it.',
    labels: containerLabels,
  },
  containerMemory: {
    kind: 'gauge',
    name: 'slicewise_container_gpu_memory_bytes',
    help: 'Memory of the GPU that is booked for the container; absent for time slices, which book none.',
    labels: containerLabels,
  },
  allocations: {
    kind: 'counter',
    name: 'slicewise_allocations_total',
    help: 'Containers that were given devices.',
    labels: { resource: 'resource' },
  },
  refusals: {
    kind: 'counter',
    name: 'slicewise_refusals_total',
    help: 'Containers that were refused devices, by the reason.',
    labels: {
      resource: 'resource',
      reason: [
        'no-device',
        'too-many-devices',
        'duplicate-device',
        'unknown-device',
        'unhealthy-device',
        'no-device-node',
        'more-than-one-share',
        'over-cap',
        'no-room',
        'memory-held',
        'device-held',
        'books-unknown',
        'starting',
        'unreadable-checkpoint',
        'foreign-allocation',
        'other-unit',
        'malformed',
      ],
    },
  },
  rpcDuration: {
    kind: 'histogram',
    name: 'slicewise_rpc_duration_seconds',
    help: 'Time to answer a call of the kubelet, by gRPC method and status.',
    labels: {
      method: ['GetDevicePluginOptions', 'GetPreferredAllocation', 'Allocate', 'PreStartContainer'],
      code: grpcCodes,
    },
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.3, 1, 10],
  },
  gpus: {
    kind: 'gauge',
    name: 'slicewise_gpus',
    help: 'GPUs of the node: those that can be read, and those that are counted and fail.',
    labels: { state: ['readable', 'failed'] },
  },
  ...healthDefinitions,
  degradations: {
    kind: 'gauge',
    name: 'slicewise_plan_degradations',
    help: 'GPUs, MIG instances and resources that cannot be offered as the config asks, by the reason; the log names them.',
    labels: {
      kind: [
        'mig-hidden',
        'mig-without-instances',
        'mig-mismatch',
        'unusable-name',
        'too-many-devices',
        'memory-unit-too-small',
        'memory-only-without-memory',
      ],
    },
  },
  nodeStatusWrites: {
    kind: 'counter',
    name: 'slicewise_node_status_writes_total',
    help: "Times that the node's allocatable was written ahead of the kubelet, or that this failed, by the result.",
    labels: { result: statusWriteResults },
  },
  snapshotAge: {
    kind: 'gauge',
    name: 'slicewise_snapshot_age_seconds',
    help: 'Age of the inventory in force; absent before the first one.',
    labels: {},
  },
  snapshotFailures: {
    kind: 'counter',
    name: 'slicewise_driver_snapshot_failures_total',
    help: 'Attempts to read the GPUs in which the driver told nothing.',
    labels: {},
  },
  driverRestarts: {
    kind: 'counter',
    name: 'slicewise_driver_restarts_total',
    help: 'Times that the way to the driver had to be opened again.',
    labels: {},
  },
  residentMemory: {
    kind: 'gauge',
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the agent, without its helper processes.',
    labels: {},
  },
  cpuSeconds: {
    kind: 'counter',
    name: 'process_cpu_seconds_total',
    help: 'User and system CPU time of the agent, without its helper processes.',
    labels: {},
  },
  startTime: {
    kind: 'gauge',
    name: 'process_start_time_seconds',
    help: 'Start of the agent, in seconds since 1970.',
    labels: {},
  },
} as const satisfies Readonly<Record<string, Definition>>;

/** One metric of the table. */
export type Definition =
  | (DefinitionBase & { readonly kind: 'counter' | 'gauge' })
  /** `buckets`: upper bounds in the metric's unit, ascending. */
  | (DefinitionBase & { readonly kind: 'histogram'; readonly buckets: readonly number[] });

interface DefinitionBase {
  readonly name: string;
  readonly help: string;
  /** Label name to its values: a closed list, or the word for what an open one holds. */
  readonly labels: Readonly<Record<string, readonly string[] | OpenLabel>>;
}

type OpenLabel = 'resource' | 'config' | 'version' | 'uuid' | 'xid' | 'container';

export type Definitions = typeof definitions;
export type MetricKey = keyof Definitions;

/** The values that a label of a metric can take, as a type. */
export type LabelValue<
  Key extends MetricKey,
  Label extends keyof Definitions[Key]['labels'],
> = Definitions[Key]['labels'][Label] extends readonly (infer Value extends string)[] ? Value : string;
