/**
 * Every metric that the agent serves: one table, from which the instruments are built and against which a test compares
 * what is served. Names and units follow the Prometheus rules: base units, `_total` for counters. A label lists the
 * values that it can take, so that the number of series is bounded; a word (`resource`, `version`) stands for a value
 * that comes from the config or the build.
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
      code: [
        'OK',
        'CANCELLED',
        'UNKNOWN',
        'INVALID_ARGUMENT',
        'DEADLINE_EXCEEDED',
        'NOT_FOUND',
        'ALREADY_EXISTS',
        'PERMISSION_DENIED',
        'RESOURCE_EXHAUSTED',
        'FAILED_PRECONDITION',
        'ABORTED',
        'OUT_OF_RANGE',
        'UNIMPLEMENTED',
        'INTERNAL',
        'UNAVAILABLE',
        'DATA_LOSS',
        'UNAUTHENTICATED',
      ],
    },
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.3, 1, 10],
  },
  gpus: {
    kind: 'gauge',
    name: 'slicewise_gpus',
    help: 'GPUs of the node: those that can be read, and those that are counted and fail.',
    labels: { state: ['readable', 'failed'] },
  },
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
      ],
    },
  },
  nodeStatusWrites: {
    kind: 'counter',
    name: 'slicewise_node_status_writes_total',
    help: "Times that the node's allocatable was written ahead of the kubelet, or that this failed, by the result.",
    labels: {
      result: [
        'written',
        'refused',
        'no-node',
        'other-machine',
        'no-access',
        'conflict',
        'throttled',
        'unreachable',
        'failed',
      ],
    },
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
  readonly labels: Readonly<Record<string, readonly string[] | 'resource' | 'version'>>;
}

export type Definitions = typeof definitions;
export type MetricKey = keyof Definitions;

/** The values that a label of a metric can take, as a type. */
export type LabelValue<
  Key extends MetricKey,
  Label extends keyof Definitions[Key]['labels'],
> = Definitions[Key]['labels'][Label] extends readonly (infer Value extends string)[] ? Value : string;
