import type {
  DeviceAttributes,
  EventData,
  FabricInfo,
  FieldValue,
  GpuInstanceProfileInfo,
  Handle,
  MemoryInfo,
  MemoryInfoV2,
  Out,
  PciInfo,
  SramEccErrorStatus,
} from './layouts.ts';

/**
 * The functions that this program uses of NVIDIA's `nvml.h`, as data; `layouts.ts` holds the types, `constants.ts` the
 * numbers. Nothing here loads or calls anything. A test compiles a C program from these tables against the header, so that
 * a wrong offset, a wrong prototype or a wrong constant cannot hide. A call joins by a row in `prototypes` and a line in
 * `NvmlCalls`.
 */

/** Each call as JavaScript sees it; all return a code of `returnCodes`, but `errorString`. */
export interface NvmlCalls {
  init(): number;
  shutdown(): number;
  errorString(code: number): string;
  systemGetDriverVersion(version: Buffer, length: number): number;
  systemGetCudaDriverVersion(version: Out<number>): number;
  deviceGetCount(count: Out<number>): number;
  deviceGetHandleByIndex(index: number, device: Out<Handle>): number;
  deviceGetUuid(device: Handle, uuid: Buffer, length: number): number;
  deviceGetName(device: Handle, name: Buffer, length: number): number;
  deviceGetMinorNumber(device: Handle, minor: Out<number>): number;
  deviceGetPciInfo(device: Handle, pci: Partial<PciInfo>): number;
  deviceGetMemoryInfoV2(device: Handle, memory: MemoryInfoV2): number;
  deviceGetMemoryInfo(device: Handle, memory: Partial<MemoryInfo>): number;
  deviceGetCudaComputeCapability(device: Handle, major: Out<number>, minor: Out<number>): number;
  deviceGetArchitecture(device: Handle, architecture: Out<number>): number;
  deviceGetNumaNodeId(device: Handle, node: Out<number>): number;
  deviceGetVirtualizationMode(device: Handle, mode: Out<number>): number;
  deviceGetGpuFabricInfo(device: Handle, info: FabricInfo): number;
  deviceGetMigMode(device: Handle, current: Out<number>, pending: Out<number>): number;
  deviceGetMaxMigDeviceCount(device: Handle, count: Out<number>): number;
  deviceGetMigDeviceHandleByIndex(device: Handle, index: number, mig: Out<Handle>): number;
  deviceGetGpuInstanceId(mig: Handle, id: Out<number>): number;
  deviceGetComputeInstanceId(mig: Handle, id: Out<number>): number;
  deviceGetAttributes(mig: Handle, attributes: Partial<DeviceAttributes>): number;
  deviceGetGpuInstanceProfileInfo(device: Handle, profile: number, info: GpuInstanceProfileInfo): number;
  deviceGetTopologyCommonAncestor(device: Handle, other: Handle, level: Out<number>): number;
  deviceGetNvLinkState(device: Handle, link: number, active: Out<number>): number;
  deviceGetNvLinkRemotePciInfo(device: Handle, link: number, pci: Partial<PciInfo>): number;
  deviceGetNvLinkRemoteDeviceType(device: Handle, link: number, type: Out<number>): number;
  eventSetCreate(set: Out<Handle>): number;
  eventSetFree(set: Handle): number;
  /** Blocks for at most the time given. */
  eventSetWait(set: Handle, event: Partial<EventData>, timeoutMs: number): number;
  deviceGetSupportedEventTypes(device: Handle, types: Out<number | bigint>): number;
  deviceRegisterEvents(device: Handle, types: number | bigint, set: Handle): number;
  deviceGetFieldValues(device: Handle, count: number, values: FieldValue): number;
  deviceGetRemappedRows(
    device: Handle,
    corrected: Out<number>,
    uncorrected: Out<number>,
    pending: Out<number>,
    failed: Out<number>,
  ): number;
  deviceGetSramEccErrorStatus(device: Handle, status: SramEccErrorStatus): number;
  deviceGetCurrentClocksEventReasons(device: Handle, reasons: Out<number | bigint>): number;
  deviceGetTemperature(device: Handle, sensor: number, celsius: Out<number>): number;
  deviceGetPowerUsage(device: Handle, milliwatts: Out<number>): number;
  deviceGetTotalEccErrors(
    device: Handle,
    type: number,
    counter: number,
    errors: Out<number | bigint>,
  ): number;
}

export type NvmlCallName = keyof NvmlCalls;

/**
 * The C prototypes, newest version of a call first: the first one that the library has is used. `_Out_` and `_Inout_`
 * say which way a pointer's target is copied.
 */
export const prototypes = {
  init: ['nvmlReturn_t nvmlInit_v2(void)', 'nvmlReturn_t nvmlInit(void)'],
  shutdown: ['nvmlReturn_t nvmlShutdown(void)'],
  errorString: ['const char *nvmlErrorString(nvmlReturn_t result)'],
  systemGetDriverVersion: [
    'nvmlReturn_t nvmlSystemGetDriverVersion(_Out_ char *version, unsigned int length)',
  ],
  systemGetCudaDriverVersion: [
    'nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(_Out_ int *version)',
    'nvmlReturn_t nvmlSystemGetCudaDriverVersion(_Out_ int *version)',
  ],
  deviceGetCount: [
    'nvmlReturn_t nvmlDeviceGetCount_v2(_Out_ unsigned int *count)',
    'nvmlReturn_t nvmlDeviceGetCount(_Out_ unsigned int *count)',
  ],
  deviceGetHandleByIndex: [
    'nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, _Out_ nvmlDevice_t *device)',
    'nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, _Out_ nvmlDevice_t *device)',
  ],
  deviceGetUuid: [
    'nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, _Out_ char *uuid, unsigned int length)',
  ],
  deviceGetName: [
    'nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, _Out_ char *name, unsigned int length)',
  ],
  deviceGetMinorNumber: [
    'nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, _Out_ unsigned int *minor)',
  ],
  deviceGetPciInfo: [
    'nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, _Out_ nvmlPciInfo_t *pci)',
    'nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, _Out_ nvmlPciInfo_t *pci)',
  ],
  deviceGetMemoryInfoV2: [
    'nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, _Inout_ nvmlMemory_v2_t *memory)',
  ],
  deviceGetMemoryInfo: [
    'nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, _Out_ nvmlMemory_t *memory)',
  ],
  deviceGetCudaComputeCapability: [
    'nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, _Out_ int *major, _Out_ int *minor)',
  ],
  deviceGetArchitecture: [
    'nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, _Out_ nvmlDeviceArchitecture_t *architecture)',
  ],
  deviceGetNumaNodeId: [
    'nvmlReturn_t nvmlDeviceGetNumaNodeId(nvmlDevice_t device, _Out_ unsigned int *node)',
  ],
  deviceGetVirtualizationMode: [
    'nvmlReturn_t nvmlDeviceGetVirtualizationMode(nvmlDevice_t device, _Out_ nvmlGpuVirtualizationMode_t *mode)',
  ],
  deviceGetGpuFabricInfo: [
    'nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, _Inout_ nvmlGpuFabricInfoV_t *info)',
  ],
  deviceGetMigMode: [
    'nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, _Out_ unsigned int *current, _Out_ unsigned int *pending)',
  ],
  deviceGetMaxMigDeviceCount: [
    'nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, _Out_ unsigned int *count)',
  ],
  deviceGetMigDeviceHandleByIndex: [
    'nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, _Out_ nvmlDevice_t *migDevice)',
  ],
  deviceGetGpuInstanceId: [
    'nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, _Out_ unsigned int *id)',
  ],
  deviceGetComputeInstanceId: [
    'nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, _Out_ unsigned int *id)',
  ],
  // Version 1 knew neither slices nor memory.
  deviceGetAttributes: [
    'nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, _Out_ nvmlDeviceAttributes_t *attributes)',
  ],
  deviceGetGpuInstanceProfileInfo: [
    'nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t device, unsigned int profile, _Inout_ nvmlGpuInstanceProfileInfo_v2_t *info)',
  ],
  deviceGetTopologyCommonAncestor: [
    'nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t device, nvmlDevice_t other, _Out_ nvmlGpuTopologyLevel_t *level)',
  ],
  deviceGetNvLinkState: [
    'nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link, _Out_ nvmlEnableState_t *active)',
  ],
  deviceGetNvLinkRemotePciInfo: [
    'nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned int link, _Out_ nvmlPciInfo_t *pci)',
    'nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo(nvmlDevice_t device, unsigned int link, _Out_ nvmlPciInfo_t *pci)',
  ],
  deviceGetNvLinkRemoteDeviceType: [
    'nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned int link, _Out_ nvmlIntNvLinkDeviceType_t *type)',
  ],
  eventSetCreate: ['nvmlReturn_t nvmlEventSetCreate(_Out_ nvmlEventSet_t *set)'],
  eventSetFree: ['nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set)'],
  // Version 1 told no MIG instance, and its struct ends before them.
  eventSetWait: [
    'nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, _Out_ nvmlEventData_t *data, unsigned int timeoutms)',
    'nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, _Out_ nvmlEventData_t *data, unsigned int timeoutms)',
  ],
  deviceGetSupportedEventTypes: [
    'nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, _Out_ unsigned long long *eventTypes)',
  ],
  deviceRegisterEvents: [
    'nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long eventTypes, nvmlEventSet_t set)',
  ],
  deviceGetFieldValues: [
    'nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int valuesCount, _Inout_ nvmlFieldValue_t *values)',
  ],
  deviceGetRemappedRows: [
    'nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, _Out_ unsigned int *corrRows, _Out_ unsigned int *uncRows, _Out_ unsigned int *isPending, _Out_ unsigned int *failureOccurred)',
  ],
  deviceGetSramEccErrorStatus: [
    'nvmlReturn_t nvmlDeviceGetSramEccErrorStatus(nvmlDevice_t device, _Inout_ nvmlEccSramErrorStatus_t *status)',
  ],
  deviceGetCurrentClocksEventReasons: [
    'nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, _Out_ unsigned long long *clocksEventReasons)',
    'nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, _Out_ unsigned long long *clocksThrottleReasons)',
  ],
  deviceGetTemperature: [
    'nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensorType, _Out_ unsigned int *temp)',
  ],
  deviceGetPowerUsage: [
    'nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, _Out_ unsigned int *power)',
  ],
  deviceGetTotalEccErrors: [
    'nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t errorType, nvmlEccCounterType_t counterType, _Out_ unsigned long long *eccCounts)',
  ],
} as const satisfies Record<NvmlCallName, readonly [string, ...string[]]>;
