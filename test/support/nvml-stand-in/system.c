/* Initialisation, handles, faults, and what is asked of the system as a whole. */
#include "calls.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* nvmlDevice_t is a pointer, bare or (in the header of NVIDIA's Go module) alone in a struct: copied as bytes, it is both.
 * Handles of the last few initialisations, so that a stale one is known as such. */
enum { GENERATIONS = 8 };
/* Of each GPU the first one is its own, the others are those of its MIG devices. */
enum { HANDLES = 1 + MAX_MIG };
struct nvmlDevice_st { int index, mig; unsigned int generation; };
static struct nvmlDevice_st handles[GENERATIONS][MAX_GPUS][HANDLES];
static unsigned int generation;
static int initialised;
/* As the real library does, the GPUs are listed when it is initialised. */
static int listed;

static void sleep_ms(int ms)
{
    struct timespec pause = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&pause, NULL);
}

static nvmlReturn_t play_faults(const char *call, int gpu, int mig)
{
    /* How often each fault has happened in this process. */
    static int played[MAX_FAULTS];
    const struct scenario *s = current_scenario();

    for (int i = 0; i < s->fault_count; i++) {
        const struct fault *fault = &s->faults[i];
        if (strcmp(fault->call, "*") != 0 && strcmp(fault->call, call) != 0) continue;
        if (fault->gpu != ANY && fault->gpu != gpu) continue;
        if (fault->mig != ANY && fault->mig != mig) continue;
        if (fault->turns > 0 && __atomic_add_fetch(&played[i], 1, __ATOMIC_RELAXED) > fault->turns) continue;
        if (fault->kind == FAULT_RETURN) return (nvmlReturn_t)fault->value;
        if (fault->kind == FAULT_SLOW) sleep_ms(fault->value);
        if (fault->kind == FAULT_CRASH) raise(SIGSEGV);
        while (fault->kind == FAULT_HANG) pause();
    }
    return NVML_SUCCESS;
}

nvmlReturn_t enter_call(const char *call, int gpu, int mig)
{
    return initialised ? play_faults(call, gpu, mig) : NVML_ERROR_UNINITIALIZED;
}

/* What a handle of this initialisation stands for, or null. */
static const struct nvmlDevice_st *behind(nvmlDevice_t device)
{
    struct nvmlDevice_st *first = &handles[0][0][0], *given;

    memcpy(&given, &device, sizeof given);
    if (!initialised || given < first || given >= first + GENERATIONS * MAX_GPUS * HANDLES) return NULL;
    return given->generation == generation ? given : NULL;
}

int gpu_index(nvmlDevice_t device)
{
    const struct nvmlDevice_st *handle = behind(device);
    return handle && handle->mig == NONE ? handle->index : NONE;
}

int mig_parent(nvmlDevice_t device, int *mig)
{
    const struct nvmlDevice_st *handle = behind(device);

    if (!handle || handle->mig == NONE) return NONE;
    *mig = handle->mig;
    return handle->index;
}

const struct mig_device *mig_device(int gpu, int mig)
{
    if (gpu == NONE || mig == NONE || current_scenario()->gpus[gpu].mig != 1) return NULL;
    const struct mig_device *device = &current_scenario()->gpus[gpu].mig_devices[mig];
    return device->profile[0] ? device : NULL;
}

void give_handle(nvmlDevice_t *device, int gpu, int mig)
{
    struct nvmlDevice_st *handle = &handles[generation % GENERATIONS][gpu][1 + mig];
    memcpy(device, &handle, sizeof handle);
}

unsigned int current_generation(void)
{
    return generation;
}

nvmlReturn_t copy_out(char *to, unsigned int length, const char *text)
{
    if (strlen(text) >= length) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(to, text);
    return NVML_SUCCESS;
}

static nvmlReturn_t initialise(const char *call)
{
    nvmlReturn_t fault = play_faults(call, NONE, NONE);

    if (fault != NVML_SUCCESS) return fault;
    if (initialised++ == 0) {
        generation++;
        listed = current_scenario()->gpu_count;
        for (int i = 0; i < MAX_GPUS; i++)
            for (int mig = NONE; mig < MAX_MIG; mig++)
                handles[generation % GENERATIONS][i][1 + mig] = (struct nvmlDevice_st){i, mig, generation};
    }
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlInit_v2(void) { return initialise(__func__); }
nvmlReturn_t nvmlInit(void) { return initialise(__func__); }

nvmlReturn_t nvmlShutdown(void)
{
    nvmlReturn_t entered = enter_call(__func__, NONE, NONE);
    if (entered != NVML_SUCCESS) return entered;
    initialised--;
    return NVML_SUCCESS;
}

const char *nvmlErrorString(nvmlReturn_t result)
{
    static char text[40];
    if (result == NVML_ERROR_GPU_IS_LOST) return "GPU is lost";
    snprintf(text, sizeof text, "Stand-in error %d", (int)result);
    return text;
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    ASK_SYSTEM(version);
    return copy_out(version, length, current_scenario()->driver_version);
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
    char text[100];
    ASK_SYSTEM(version);
    snprintf(text, sizeof text, "13.%s", current_scenario()->driver_version);
    return copy_out(version, length, text);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    ASK_SYSTEM(version);
    *version = current_scenario()->cuda_version;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
    ASK_SYSTEM(version);
    *version = current_scenario()->cuda_version;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
    ASK_SYSTEM(count);
    *count = (unsigned int)listed;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount(unsigned int *count)
{
    ASK_SYSTEM(count);
    *count = (unsigned int)listed;
    return NVML_SUCCESS;
}

static nvmlReturn_t handle_of(const char *call, unsigned int index, nvmlDevice_t *device)
{
    nvmlReturn_t entered = enter_call(call, (int)index, NONE);
    if (entered != NVML_SUCCESS) return entered;
    if (!device || index >= (unsigned int)listed) return NVML_ERROR_INVALID_ARGUMENT;
    give_handle(device, (int)index, NONE);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    return handle_of(__func__, index, device);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device)
{
    return handle_of(__func__, index, device);
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    ASK_SYSTEM(uuid);
    for (int i = 0; i < listed; i++)
        if (strcmp(current_scenario()->gpus[i].uuid, uuid) == 0) return handle_of(__func__, (unsigned int)i, device);
    return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *pci, nvmlDevice_t *device)
{
    ASK_SYSTEM(pci);
    for (int i = 0; i < listed; i++)
        if (strcasecmp(current_scenario()->gpus[i].pci, pci) == 0) return handle_of(__func__, (unsigned int)i, device);
    return NVML_ERROR_NOT_FOUND;
}
