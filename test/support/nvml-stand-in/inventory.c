/* What a GPU is and what it is joined to. */
#include "calls.h"

#include <stdio.h>
#include <string.h>

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *out)
{
    ASK_GPU(device, out);
    *out = (unsigned int)index;
    return NVML_SUCCESS;
}

static nvmlReturn_t uuid_of_mig(const char *call, nvmlDevice_t device, char *uuid, unsigned int length)
{
    ASK_MIG_AS(call, device, uuid);
    return copy_out(uuid, length, mig->uuid);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
    if (IS_MIG(device)) return uuid_of_mig(__func__, device, uuid, length);
    ASK_GPU(device, uuid);
    return copy_out(uuid, length, gpu->uuid);
}

static nvmlReturn_t name_of_mig(const char *call, nvmlDevice_t device, char *name, unsigned int length)
{
    char text[160];
    ASK_MIG_AS(call, device, name);
    if (gpu->mig_names_off) return copy_out(name, length, gpu->name);
    snprintf(text, sizeof text, "%s MIG %s", gpu->name, mig->profile);
    return copy_out(name, length, text);
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
    if (IS_MIG(device)) return name_of_mig(__func__, device, name, length);
    ASK_GPU(device, name);
    return copy_out(name, length, gpu->name);
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minor)
{
    ASK_GPU(device, minor);
    *minor = (unsigned int)gpu->minor;
    return NVML_SUCCESS;
}

static void fill_pci(nvmlPciInfo_t *pci, const char *bus_id)
{
    memset(pci, 0, sizeof *pci);
    sscanf(bus_id, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device);
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", pci->domain & 0xffff, pci->bus & 0xff,
             pci->device & 0xff);
    snprintf(pci->busId, sizeof pci->busId, "%s", bus_id);
    pci->pciDeviceId = 0x233010de;
    pci->pciSubSystemId = 0x16c110de;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    ASK_GPU(device, pci);
    fill_pci(pci, gpu->pci);
    return NVML_SUCCESS;
}

/* Before version 3 there was no long bus id. */
nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    ASK_GPU(device, pci);
    fill_pci(pci, gpu->pci);
    memset(pci->busId, 0, sizeof pci->busId);
    return NVML_SUCCESS;
}

static nvmlReturn_t memory_of_mig(const char *call, nvmlDevice_t device, nvmlMemory_t *memory)
{
    ASK_MIG_AS(call, device, memory);
    memory->total = memory->free = mig->mib << 20;
    memory->used = 0;
    return NVML_SUCCESS;
}

/* Version 1 counts what is reserved as used. */
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    if (IS_MIG(device)) return memory_of_mig(__func__, device, memory);
    ASK_GPU(device, memory);
    memory->total = gpu->total_mib << 20;
    memory->used = (gpu->used_mib + gpu->reserved_mib) << 20;
    memory->free = memory->total - memory->used;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    ASK_GPU(device, memory);
    if (memory->version != nvmlMemory_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    memory->total = gpu->total_mib << 20;
    memory->reserved = gpu->reserved_mib << 20;
    memory->used = gpu->used_mib << 20;
    memory->free = memory->total - memory->reserved - memory->used;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    ASK_GPU(device, major && minor);
    *major = gpu->major_capability;
    *minor = gpu->minor_capability;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, nvmlDeviceArchitecture_t *architecture)
{
    ASK_GPU(device, architecture);
    *architecture = gpu->architecture;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNumaNodeId(nvmlDevice_t device, unsigned int *node)
{
    ASK_GPU(device, node);
    if (gpu->numa == NONE) return NVML_ERROR_NOT_SUPPORTED;
    *node = (unsigned int)gpu->numa;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t device, nvmlDevice_t other, nvmlGpuTopologyLevel_t *level)
{
    ASK_GPU(device, level);
    if (gpu_index(other) == NONE) return NVML_ERROR_INVALID_ARGUMENT;
    *level = current_scenario()->topology[index][gpu_index(other)];
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t device, nvmlDevice_t other, nvmlGpuP2PCapsIndex_t capability,
                                    nvmlGpuP2PStatus_t *status)
{
    ASK_GPU(device, status);
    if (gpu_index(other) == NONE) return NVML_ERROR_INVALID_ARGUMENT;
    *status = NVML_P2P_STATUS_OK;
    if (capability == NVML_P2P_CAPS_INDEX_NVLINK && gpu->link_count == 0) *status = NVML_P2P_STATUS_NOT_SUPPORTED;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link, nvmlEnableState_t *active)
{
    ASK_GPU(device, active);
    if (gpu->link_count == 0) return NVML_ERROR_NOT_SUPPORTED;
    if (link >= (unsigned int)gpu->link_count) return NVML_ERROR_INVALID_ARGUMENT;
    *active = gpu->links[link].kind == LINK_OFF ? NVML_FEATURE_DISABLED : NVML_FEATURE_ENABLED;
    return NVML_SUCCESS;
}

/* The link, when it is active. */
static const struct nvlink *active_link(const struct gpu *gpu, unsigned int number)
{
    if (number >= (unsigned int)gpu->link_count || gpu->links[number].kind == LINK_OFF) return NULL;
    return &gpu->links[number];
}

nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned int link, nvmlPciInfo_t *pci)
{
    ASK_GPU(device, pci);
    const struct nvlink *end = active_link(gpu, link);
    if (!end) return NVML_ERROR_NOT_SUPPORTED;
    fill_pci(pci, end->kind == LINK_GPU ? current_scenario()->gpus[end->gpu].pci : end->pci);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned int link, nvmlIntNvLinkDeviceType_t *type)
{
    ASK_GPU(device, type);
    const struct nvlink *end = active_link(gpu, link);
    if (!end) return NVML_ERROR_NOT_SUPPORTED;
    *type = end->kind == LINK_GPU ? NVML_NVLINK_DEVICE_TYPE_GPU : NVML_NVLINK_DEVICE_TYPE_SWITCH;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfoV_t *info)
{
    ASK_GPU(device, info);
    if (info->version != nvmlGpuFabricInfo_v2 && info->version != nvmlGpuFabricInfo_v3)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    info->state = gpu->link_count == 0 ? NVML_GPU_FABRIC_STATE_NOT_SUPPORTED : NVML_GPU_FABRIC_STATE_COMPLETED;
    info->status = NVML_SUCCESS;
    info->cliqueId = gpu->clique;
    info->healthMask = 0;
    memcpy(info->clusterUuid, gpu->cluster, sizeof info->clusterUuid);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetVirtualizationMode(nvmlDevice_t device, nvmlGpuVirtualizationMode_t *mode)
{
    ASK_GPU(device, mode);
    *mode = (nvmlGpuVirtualizationMode_t)gpu->virtualization;
    return NVML_SUCCESS;
}
