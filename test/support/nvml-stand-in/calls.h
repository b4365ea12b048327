/* What every call of the stand-in begins with. */
#ifndef STAND_IN_CALLS_H
#define STAND_IN_CALLS_H

#include "scenario.h"

#pragma GCC visibility push(hidden)

/* Counts as the call being made: plays the scenario's faults, checks that the library is initialised. */
nvmlReturn_t enter_call(const char *call, int gpu);
/* Index of the GPU behind a handle; NONE for a handle that is stale or was never given out. */
int gpu_index(nvmlDevice_t device);
nvmlReturn_t copy_out(char *to, unsigned int length, const char *text);

#pragma GCC visibility pop

/* Begins a call that asks a GPU: declares `gpu`, the GPU as the scenario has it, and `index`. */
#define ASK_GPU(device, out)                                                  \
    int index = gpu_index(device);                                            \
    nvmlReturn_t entered = enter_call(__func__, index);                       \
    if (entered != NVML_SUCCESS) return entered;                              \
    if (index == NONE || !(out)) return NVML_ERROR_INVALID_ARGUMENT;          \
    const struct gpu *gpu = &current_scenario()->gpus[index];                 \
    (void)gpu

/* Begins a call that asks the system. */
#define ASK_SYSTEM(out)                                   \
    nvmlReturn_t entered = enter_call(__func__, NONE);    \
    if (entered != NVML_SUCCESS) return entered;          \
    if (!(out)) return NVML_ERROR_INVALID_ARGUMENT

#endif
