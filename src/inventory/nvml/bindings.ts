/**
 * What this program uses of NVIDIA's `nvml.h`, as data: struct layouts and function prototypes; `constants.ts` holds the
 * numbers. Nothing here loads or calls anything. A test compiles a C program from these tables against the header, so that
 * a wrong offset, a wrong prototype or a wrong constant cannot hide. A call joins by a row in `prototypes` and a line in
 * `NvmlCalls`.
 */

/** Opaque pointer types (`nvmlDevice_t`, …); in JavaScript each is a BigInt. */
export const handleTypes = ['nvmlDevice_t'] as const;

/** Enums, which the header stores as C `int` (`nvmlReturn_t`) or `unsigned int`. */
export const scalarTypes = {
  nvmlReturn_t: 'int',
  nvmlEnableState_t: 'uint32_t',
  nvmlGpuTopologyLevel_t: 'uint32_t',
  nvmlIntNvLinkDeviceType_t: 'uint32_t',
  nvmlDeviceArchitecture_t: 'uint32_t',
  nvmlGpuVirtualizationMode_t: 'uint32_t',
} as const satisfies Record<string, string>;

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
  nvmlGpuFabricInfo_v2_t: {
    version: 'uint32_t',
    clusterUuid: 'uint8_t [16]',
    status: 'uint32_t',
    cliqueId: 'uint32_t',
    state: 'uint8_t',
    healthMask: 'uint32_t',
  },
  // Version 3; a library fills as much of it as the version asked for has.
  nvmlGpuFabricInfoV_t: {
    version: 'uint32_t',
    clusterUuid: 'uint8_t [16]',
    status: 'uint32_t',
    cliqueId: 'uint32_t',
    state: 'uint8_t',
    healthMask: 'uint32_t',
    healthSummary: 'uint8_t',
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
} as const satisfies Record<NvmlCallName, readonly [string, ...string[]]>;
