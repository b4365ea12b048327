/**
 * The types that this program uses of NVIDIA's `nvml.h`, as data: a test compares each size and offset with the header. What a call fills
 * has an interface beside its layout.
 */

/** Opaque pointer types (`nvmlDevice_t`, …); in JavaScript each is a BigInt. */
export const handleTypes = ['nvmlDevice_t', 'nvmlEventSet_t'] as const;

/** Enums, which the header stores as C `int` (`nvmlReturn_t`) or `unsigned int`. */
export const scalarTypes = {
  nvmlReturn_t: 'int',
  nvmlEnableState_t: 'uint32_t',
  nvmlTemperatureSensors_t: 'uint32_t',
  nvmlMemoryErrorType_t: 'uint32_t',
  nvmlEccCounterType_t: 'uint32_t',
  nvmlGpuTopologyLevel_t: 'uint32_t',
  nvmlIntNvLinkDeviceType_t: 'uint32_t',
  nvmlDeviceArchitecture_t: 'uint32_t',
  nvmlGpuVirtualizationMode_t: 'uint32_t',
  nvmlValueType_t: 'uint32_t',
} as const satisfies Record<string, string>;

const fabricInfoV2 = {
  version: 'uint32_t',
  clusterUuid: 'uint8_t [16]',
  status: 'uint32_t',
  cliqueId: 'uint32_t',
  state: 'uint8_t',
  healthMask: 'uint32_t',
} as const;

/** Struct layouts: field name to C type, in the header's order. */
export const structs = {
  nvmlPciInfo_t: {
    busIdLegacy: 'char [16]',
    domain: 'uint32_t',
    bus: 'uint32_t',
    device: 'uint32_t',
    pciDeviceId: 'uint32_t',
    pciSubSystemId: 'uint32_t',
    busId: 'char [32]',
  },
  nvmlMemory_t: { total: 'uint64_t', free: 'uint64_t', used: 'uint64_t' },
  nvmlMemory_v2_t: {
    version: 'uint32_t',
    total: 'uint64_t',
    reserved: 'uint64_t',
    free: 'uint64_t',
    used: 'uint64_t',
  },
  nvmlDeviceAttributes_t: {
    multiprocessorCount: 'uint32_t',
    sharedCopyEngineCount: 'uint32_t',
    sharedDecoderCount: 'uint32_t',
    sharedEncoderCount: 'uint32_t',
    sharedJpegCount: 'uint32_t',
    sharedOfaCount: 'uint32_t',
    gpuInstanceSliceCount: 'uint32_t',
    computeInstanceSliceCount: 'uint32_t',
    memorySizeMB: 'uint64_t',
  },
  nvmlGpuInstanceProfileInfo_v2_t: {
    version: 'uint32_t',
    id: 'uint32_t',
    isP2pSupported: 'uint32_t',
    sliceCount: 'uint32_t',
    instanceCount: 'uint32_t',
    multiprocessorCount: 'uint32_t',
    copyEngineCount: 'uint32_t',
    decoderCount: 'uint32_t',
    encoderCount: 'uint32_t',
    jpegCount: 'uint32_t',
    ofaCount: 'uint32_t',
    memorySizeMB: 'uint64_t',
    name: 'char [96]',
  },
  nvmlGpuFabricInfo_v2_t: fabricInfoV2,
  // Version 3; a library fills as much of it as the version asked for has.
  nvmlGpuFabricInfoV_t: { ...fabricInfoV2, healthSummary: 'uint8_t' },
  nvmlEventData_t: {
    device: 'nvmlDevice_t',
    eventType: 'uint64_t',
    eventData: 'uint64_t',
    gpuInstanceId: 'uint32_t',
    computeInstanceId: 'uint32_t',
  },
  nvmlFieldValue_t: {
    fieldId: 'uint32_t',
    scopeId: 'uint32_t',
    timestamp: 'int64_t',
    latencyUsec: 'int64_t',
    valueType: 'nvmlValueType_t',
    nvmlReturn: 'nvmlReturn_t',
    // A union of numbers, the widest of eight bytes.
    value: 'uint8_t [8]',
  },
  nvmlEccSramErrorStatus_t: {
    version: 'uint32_t',
    aggregateUncParity: 'uint64_t',
    aggregateUncSecDed: 'uint64_t',
    aggregateCor: 'uint64_t',
    volatileUncParity: 'uint64_t',
    volatileUncSecDed: 'uint64_t',
    volatileCor: 'uint64_t',
    aggregateUncBucketL2: 'uint64_t',
    aggregateUncBucketSm: 'uint64_t',
    aggregateUncBucketPcie: 'uint64_t',
    aggregateUncBucketMcu: 'uint64_t',
    aggregateUncBucketOther: 'uint64_t',
    bThresholdExceeded: 'uint32_t',
  },
} as const satisfies Record<string, Record<string, string>>;

/** A place for a result: an array of one, filled by the call. */
export type Out<T> = [T | null];
/** An address inside the driver library. */
export type Handle = bigint;

export interface PciInfo {
  domain: number;
  bus: number;
  device: number;
  busId: string;
}

export interface MemoryInfo {
  total: number | bigint;
  used: number | bigint;
}

export interface MemoryInfoV2 extends MemoryInfo {
  version: number;
  reserved: number | bigint;
  free: number | bigint;
}

/** What a MIG device is made of; engines are those of its GPU instance. */
export type DeviceAttributes = Readonly<
  Record<Exclude<keyof (typeof structs)['nvmlDeviceAttributes_t'], 'memorySizeMB'>, number>
> & { readonly memorySizeMB: number | bigint };

export type GpuInstanceProfileInfo = Readonly<
  Record<Exclude<keyof (typeof structs)['nvmlGpuInstanceProfileInfo_v2_t'], 'memorySizeMB' | 'name'>, number>
> & { readonly memorySizeMB: number | bigint; readonly name: string };

export interface FabricInfo {
  version: number;
  clusterUuid: Uint8Array | number[];
  /** A code of `returnCodes`. */
  status: number;
  cliqueId: number;
  state: number;
  healthMask: number;
  healthSummary: number;
}

/** Something that happened; the numbers of a GPU instance and a compute instance are `noInstance` where it is about none. */
export interface EventData {
  device: Handle | null;
  /** A bit of `nvmlEventType…`. */
  eventType: number | bigint;
  /** The XID of an XID event. */
  eventData: number | bigint;
  gpuInstanceId: number;
  computeInstanceId: number;
}

export interface FieldValue {
  fieldId: number;
  scopeId: number;
  timestamp: number | bigint;
  latencyUsec: number | bigint;
  valueType: number;
  /** A code of `returnCodes`. */
  nvmlReturn: number;
  value: Uint8Array | number[];
}

export type SramEccErrorStatus = Record<keyof (typeof structs)['nvmlEccSramErrorStatus_t'], number | bigint>;
