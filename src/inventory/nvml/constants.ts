import type { RecoveryAction } from '../gpu-signs.ts';

/** Constants under the header's own names. */
export const constants = {
  NVML_DEVICE_UUID_V2_BUFFER_SIZE: 96,
  NVML_DEVICE_NAME_V2_BUFFER_SIZE: 96,
  NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE: 80,
  NVML_NVLINK_MAX_LINKS: 18,
  NVML_FEATURE_ENABLED: 1,
  NVML_DEVICE_MIG_ENABLE: 1,
  NVML_NVLINK_DEVICE_TYPE_SWITCH: 2,
  NVML_GPU_INSTANCE_PROFILE_COUNT: 17,
  NVML_GPU_FABRIC_STATE_COMPLETED: 3,
  NVML_GPU_VIRTUALIZATION_MODE_VGPU: 2,
  NVML_FI_DEV_GET_GPU_RECOVERY_ACTION: 230,
  NVML_VALUE_TYPE_DOUBLE: 0,
  NVML_TEMPERATURE_GPU: 0,
  NVML_MEMORY_ERROR_TYPE_UNCORRECTED: 1,
  NVML_VOLATILE_ECC: 0,
  nvmlEventTypeDoubleBitEccError: 0x2,
  nvmlEventTypeXidCriticalError: 0x8,
  nvmlEventMigConfigChange: 0x100,
  nvmlEventTypeGpuUnavailableError: 0x4000,
  nvmlEventTypeGpuRecoveryAction: 0x8000,
  nvmlClocksThrottleReasonHwThermalSlowdown: 0x40,
  nvmlClocksThrottleReasonHwPowerBrakeSlowdown: 0x80,
} as const;

/** `NVML_DEVICE_ARCH_<name>` to the family's name as `nvidia-smi` writes it, in lower case. */
export const architectures = {
  KEPLER: [2, 'kepler'],
  MAXWELL: [3, 'maxwell'],
  PASCAL: [4, 'pascal'],
  VOLTA: [5, 'volta'],
  TURING: [6, 'turing'],
  AMPERE: [7, 'ampere'],
  ADA: [8, 'ada lovelace'],
  HOPPER: [9, 'hopper'],
  BLACKWELL: [10, 'blackwell'],
} as const satisfies Record<string, readonly [number, string]>;

/** `NVML_TOPOLOGY_<name>` to how far apart two GPUs are. */
export const topologyLevels = {
  INTERNAL: [0, 'same-board'],
  SINGLE: [10, 'one-switch'],
  MULTIPLE: [20, 'several-switches'],
  HOSTBRIDGE: [30, 'host-bridge'],
  NODE: [40, 'same-numa-node'],
  SYSTEM: [50, 'across-numa-nodes'],
} as const satisfies Record<string, readonly [number, string]>;

/** `NVML_GPU_RECOVERY_ACTION_<name>` to what the driver wants done. */
export const recoveryActionNumbers = {
  NONE: [0, 'none'],
  GPU_RESET: [1, 'reset'],
  NODE_REBOOT: [2, 'reboot'],
  DRAIN_P2P: [3, 'drain-p2p'],
  DRAIN_AND_RESET: [4, 'drain-and-reset'],
} as const satisfies Record<string, readonly [number, RecoveryAction]>;
