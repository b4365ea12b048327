/* MIG: the mode, the devices, and the profiles that a GPU instance can have. */
#include "calls.h"

#include <stdio.h>
#include <string.h>

/* GPU instance profiles of an H100 80GB HBM3, by the index that the header gives each. */
static const struct profile {
    const char *name;
    unsigned int id, slices, instances, multiprocessors, copy, decoder, jpeg, ofa;
    unsigned long long mib;
} profiles[NVML_GPU_INSTANCE_PROFILE_COUNT] = {
    [NVML_GPU_INSTANCE_PROFILE_1_SLICE] = {"1g.10gb", 19, 1, 7, 16, 1, 1, 1, 0, 9984},
    [NVML_GPU_INSTANCE_PROFILE_2_SLICE] = {"2g.20gb", 14, 2, 3, 32, 2, 2, 2, 0, 20096},
    [NVML_GPU_INSTANCE_PROFILE_3_SLICE] = {"3g.40gb", 9, 3, 2, 60, 3, 3, 3, 0, 40448},
    [NVML_GPU_INSTANCE_PROFILE_4_SLICE] = {"4g.40gb", 5, 4, 1, 64, 4, 4, 4, 0, 40448},
    [NVML_GPU_INSTANCE_PROFILE_7_SLICE] = {"7g.80gb", 0, 7, 1, 132, 8, 7, 7, 1, 80896},
    [NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1] = {"1g.10gb+me", 20, 1, 1, 16, 1, 1, 1, 1, 9984},
    [NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV2] = {"1g.20gb", 15, 1, 4, 26, 1, 1, 1, 0, 20096},
};

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
    ASK_GPU(device, current && pending);
    if (gpu->mig == NONE) return NVML_ERROR_NOT_SUPPORTED;
    *current = (unsigned int)gpu->mig;
    *pending = (unsigned int)gpu->mig_pending;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
    ASK_GPU(device, count);
    *count = gpu->mig == 1 ? gpu->max_mig : 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int number, nvmlDevice_t *out)
{
    ASK_GPU(device, out);
    if (gpu->mig != 1) return NVML_ERROR_NOT_SUPPORTED;
    if (number >= gpu->max_mig) return NVML_ERROR_INVALID_ARGUMENT;
    if (number >= MAX_MIG || !mig_device(index, (int)number)) return NVML_ERROR_NOT_FOUND;
    give_handle(out, index, (int)number);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t device, nvmlDevice_t *out)
{
    ASK_MIG(device, out);
    give_handle(out, index, NONE);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *is_mig)
{
    *is_mig = IS_MIG(device);
    return *is_mig || gpu_index(device) != NONE ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *id)
{
    ASK_MIG(device, id);
    *id = mig->gpu_instance;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int *id)
{
    ASK_MIG(device, id);
    *id = mig->compute_instance;
    return NVML_SUCCESS;
}

/* The GPU instance's profile, by the part of the name behind `<n>c.`. */
static const struct profile *find_profile(const char *name)
{
    for (int i = 0; i < NVML_GPU_INSTANCE_PROFILE_COUNT; i++)
        if (profiles[i].name && strcmp(profiles[i].name, name) == 0) return &profiles[i];
    return NULL;
}

nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)
{
    const char *parent;
    unsigned int slices = 0;
    ASK_MIG(device, attributes);
    memset(attributes, 0, sizeof *attributes);
    parent = strstr(mig->profile, "c.") ? strstr(mig->profile, "c.") + 2 : mig->profile;
    sscanf(parent, "%ug", &slices);
    attributes->gpuInstanceSliceCount = attributes->computeInstanceSliceCount = slices;
    if (parent != mig->profile) sscanf(mig->profile, "%uc", &attributes->computeInstanceSliceCount);
    attributes->memorySizeMB = mig->mib;
    const struct profile *profile = find_profile(parent);
    if (!profile) return NVML_SUCCESS;
    attributes->multiprocessorCount = profile->multiprocessors;
    attributes->sharedCopyEngineCount = profile->copy;
    attributes->sharedDecoderCount = profile->decoder;
    attributes->sharedJpegCount = profile->jpeg;
    attributes->sharedOfaCount = profile->ofa;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t device, unsigned int number,
                                                  nvmlGpuInstanceProfileInfo_v2_t *info)
{
    ASK_GPU(device, info);
    if (info->version != nvmlGpuInstanceProfileInfo_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (number >= NVML_GPU_INSTANCE_PROFILE_COUNT) return NVML_ERROR_INVALID_ARGUMENT;
    const struct profile *profile = &profiles[number];
    if (gpu->mig != 1 || !profile->name) return NVML_ERROR_NOT_SUPPORTED;
    info->id = profile->id;
    info->isP2pSupported = 0;
    info->sliceCount = profile->slices;
    info->instanceCount = profile->instances;
    info->multiprocessorCount = profile->multiprocessors;
    info->copyEngineCount = profile->copy;
    info->decoderCount = profile->decoder;
    info->encoderCount = 0;
    info->jpegCount = profile->jpeg;
    info->ofaCount = profile->ofa;
    info->memorySizeMB = profile->mib;
    snprintf(info->name, sizeof info->name, "MIG %s", profile->name);
    return NVML_SUCCESS;
}
