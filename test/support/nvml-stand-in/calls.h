/* What every call of the stand-in begins with. */
#ifndef STAND_IN_CALLS_H
#define STAND_IN_CALLS_H

#include "scenario.h"

#pragma GCC visibility push(hidden)

/* Counts as the call being made: plays the scenario's faults, checks that the library is initialised. */
nvmlReturn_t enter_call(const char *call, int gpu, int mig);
/* Index of the GPU behind a handle; NONE for a handle that is stale or was never given out. */
int gpu_index(nvmlDevice_t device);
/* Index of the GPU that the MIG device behind a handle is part of, and the device's own; NONE as above. */
int mig_parent(nvmlDevice_t device, int *mig);
/* What such a handle stands for; null where the device is gone. */
const struct mig_device *mig_device(int gpu, int mig);
/* Handles of this initialisation; the MIG device's own where `mig` is not NONE. */
void give_handle(nvmlDevice_t *device, int gpu, int mig);
/* Number of this initialisation. */
unsigned int current_generation(void);
nvmlReturn_t copy_out(char *to, unsigned int length, const char *text);

#pragma GCC visibility pop

/* Begins a call that asks a GPU: declares `gpu`, the GPU as the scenario has it, and `index`. */
#define ASK_GPU(device, out)                                                  \
    int index = gpu_index(device);                                            \
    nvmlReturn_t entered = enter_call(__func__, index, NONE);                 \
    if (entered != NVML_SUCCESS) return entered;                              \
    if (index == NONE || !(out)) return NVML_ERROR_INVALID_ARGUMENT;          \
    const struct gpu *gpu = &current_scenario()->gpus[index];                 \
    (void)gpu

/* Begins a call that asks a MIG device: declares `mig`, the device as the scenario has it, `index` and `gpu`. */
#define ASK_MIG(device, out) ASK_MIG_AS(__func__, device, out)
#define ASK_MIG_AS(call, device, out)                                         \
    int slot = NONE, index = mig_parent(device, &slot);                       \
    nvmlReturn_t entered = enter_call(call, index, slot);                     \
    if (entered != NVML_SUCCESS) return entered;                              \
    const struct mig_device *mig = mig_device(index, slot);                   \
    if (!mig || !(out)) return NVML_ERROR_INVALID_ARGUMENT;                   \
    const struct gpu *gpu = &current_scenario()->gpus[index];                 \
    (void)gpu

/* True for a handle of a MIG device, whether it is still there or not. */
#define IS_MIG(device) (mig_parent(device, &(int){NONE}) != NONE)

/* Begins a call that asks the system. */
#define ASK_SYSTEM(out)                                   \
    nvmlReturn_t entered = enter_call(__func__, NONE, NONE); \
    if (entered != NVML_SUCCESS) return entered;          \
    if (!(out)) return NVML_ERROR_INVALID_ARGUMENT

#endif
