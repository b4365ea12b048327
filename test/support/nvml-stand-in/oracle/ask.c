/* Prints what a libnvidia-ml, named by the first argument, says of its GPUs, or with `mig` as the second one of its MIG
 * devices: one line each, fields separated by tabs. */
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include "nvml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void *library;

/* A call of the library by the header's own type, or a null pointer. */
#define CALL(name) ((__typeof__(&name))dlsym(library, #name))

/* True when the library has the call and it succeeds. */
#define ASK(name, ...) (CALL(name) && CALL(name)(__VA_ARGS__) == NVML_SUCCESS)

static void print_gpu(unsigned int index)
{
    nvmlDevice_t device;
    char uuid[96], name[96];
    nvmlPciInfo_t pci;
    nvmlMemory_v2_t memory = {.version = nvmlMemory_v2};
    nvmlMemory_t memory_v1;
    unsigned int minor, current, pending;
    int major_capability, minor_capability;

    if (!ASK(nvmlDeviceGetHandleByIndex_v2, index, &device)) {
        printf("%u\tunreadable\n", index);
        return;
    }
    if (!ASK(nvmlDeviceGetUUID, device, uuid, sizeof uuid)) strcpy(uuid, "unreadable");
    if (!ASK(nvmlDeviceGetName, device, name, sizeof name)) strcpy(name, "");
    printf("%u\t%s\t%s", index, uuid, name);
    if (ASK(nvmlDeviceGetPciInfo_v3, device, &pci)) printf("\t%s", pci.busId);
    else printf("\t-");
    if (ASK(nvmlDeviceGetMinorNumber, device, &minor)) printf("\t%u", minor);
    else printf("\t-");
    if (ASK(nvmlDeviceGetCudaComputeCapability, device, &major_capability, &minor_capability))
        printf("\t%d.%d", major_capability, minor_capability);
    else printf("\t-");
    if (ASK(nvmlDeviceGetMemoryInfo_v2, device, &memory)) printf("\t%llu\t%llu", memory.total, memory.reserved);
    else if (ASK(nvmlDeviceGetMemoryInfo, device, &memory_v1)) printf("\t%llu\t-", memory_v1.total);
    else printf("\t-\t-");
    if (ASK(nvmlDeviceGetMigMode, device, &current, &pending)) printf("\t%u\t%u\n", current, pending);
    else printf("\t-\t-\n");
}

/* GPU, GPU instance, compute instance, UUID, name, MiB, slices of both kinds. */
static void print_mig_devices(unsigned int index)
{
    nvmlDevice_t device, mig;
    nvmlDeviceAttributes_t attributes;
    unsigned int count = 0, gpu_instance, compute_instance;
    char uuid[96], name[96];

    if (!ASK(nvmlDeviceGetHandleByIndex_v2, index, &device)) return;
    if (!ASK(nvmlDeviceGetMaxMigDeviceCount, device, &count)) return;
    for (unsigned int i = 0; i < count; i++) {
        if (!ASK(nvmlDeviceGetMigDeviceHandleByIndex, device, i, &mig)) continue;
        if (!ASK(nvmlDeviceGetGpuInstanceId, mig, &gpu_instance)) continue;
        if (!ASK(nvmlDeviceGetComputeInstanceId, mig, &compute_instance)) continue;
        if (!ASK(nvmlDeviceGetUUID, mig, uuid, sizeof uuid) || !ASK(nvmlDeviceGetName, mig, name, sizeof name)) continue;
        if (!ASK(nvmlDeviceGetAttributes_v2, mig, &attributes)) continue;
        printf("%u\t%u\t%u\t%s\t%s\t%llu\t%u\t%u\n", index, gpu_instance, compute_instance, uuid, name,
               attributes.memorySizeMB, attributes.gpuInstanceSliceCount, attributes.computeInstanceSliceCount);
    }
}

int main(int argc, char **argv)
{
    unsigned int count = 0;
    char version[80] = "-";
    int cuda = 0;

    if (argc < 2 || !(library = dlopen(argv[1], RTLD_LAZY)) || !ASK(nvmlInit_v2)) return 1;
    if (!ASK(nvmlDeviceGetCount_v2, &count)) return 1;
    if (argc > 2 && strcmp(argv[2], "mig") == 0) {
        for (unsigned int i = 0; i < count; i++) print_mig_devices(i);
        return 0;
    }
    if (!ASK(nvmlSystemGetDriverVersion, version, sizeof version)) strcpy(version, "-");
    if (!ASK(nvmlSystemGetCudaDriverVersion_v2, &cuda)) cuda = 0;
    printf("%u\t%s\t%d\n", count, version, cuda);
    for (unsigned int i = 0; i < count; i++) print_gpu(i);
    return 0;
}
