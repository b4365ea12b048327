/* How a GPU is doing. */
#include "calls.h"

#include <string.h>

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
    ASK_GPU(device, values);
    for (int i = 0; i < count; i++) {
        nvmlFieldValue_t *value = &values[i];
        value->timestamp = 0;
        value->latencyUsec = 0;
        value->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
        value->nvmlReturn = NVML_SUCCESS;
        memset(&value->value, 0, sizeof value->value);
        if (value->fieldId == NVML_FI_DEV_GET_GPU_RECOVERY_ACTION) value->value.uiVal = gpu->recovery_action;
        else if (value->fieldId == NVML_FI_DEV_NVLINK_LINK_COUNT) value->value.uiVal = (unsigned int)gpu->link_count;
        else value->nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
    }
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, nvmlEnableState_t *current, nvmlEnableState_t *pending)
{
    ASK_GPU(device, current && pending);
    if (gpu->ecc == NONE) return NVML_ERROR_NOT_SUPPORTED;
    *current = *pending = NVML_FEATURE_ENABLED;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter,
                                         unsigned long long *errors)
{
    ASK_GPU(device, errors);
    (void)counter;
    if (gpu->ecc == NONE) return NVML_ERROR_NOT_SUPPORTED;
    *errors = type == NVML_MEMORY_ERROR_TYPE_UNCORRECTED ? (unsigned long long)gpu->ecc : 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetSramEccErrorStatus(nvmlDevice_t device, nvmlEccSramErrorStatus_t *status)
{
    ASK_GPU(device, status);
    if (gpu->ecc == NONE) return NVML_ERROR_NOT_SUPPORTED;
    if (status->version != nvmlEccSramErrorStatus_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    memset(status, 0, sizeof *status);
    status->version = nvmlEccSramErrorStatus_v1;
    status->bThresholdExceeded = gpu->sram_exceeded;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected, unsigned int *uncorrected,
                                       unsigned int *pending, unsigned int *failed)
{
    ASK_GPU(device, corrected && uncorrected && pending && failed);
    *corrected = gpu->remapped[0];
    *uncorrected = gpu->remapped[1];
    *pending = gpu->remapped[2];
    *failed = gpu->remapped[3];
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
    ASK_GPU(device, utilization);
    if (gpu->mig == 1) return NVML_ERROR_NOT_SUPPORTED;
    utilization->gpu = utilization->memory = gpu->utilization;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *celsius)
{
    ASK_GPU(device, celsius);
    (void)sensor;
    *celsius = gpu->temperature;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *milliwatts)
{
    ASK_GPU(device, milliwatts);
    *milliwatts = gpu->power;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *mhz)
{
    ASK_GPU(device, mhz);
    *mhz = type == NVML_CLOCK_MEM ? 2619 : 345;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *mhz)
{
    ASK_GPU(device, mhz);
    *mhz = type == NVML_CLOCK_MEM ? 2619 : 1980;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *list)
{
    ASK_GPU(device, count);
    unsigned int room = *count;
    *count = (unsigned int)gpu->process_count;
    if (room < *count) return NVML_ERROR_INSUFFICIENT_SIZE;
    for (unsigned int i = 0; i < *count; i++) {
        memset(&list[i], 0, sizeof list[i]);
        list[i].pid = gpu->processes[i].pid;
        list[i].usedGpuMemory = gpu->processes[i].mib << 20;
        list[i].gpuInstanceId = list[i].computeInstanceId = 0xffffffff;
    }
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *reasons)
{
    ASK_GPU(device, reasons);
    *reasons = gpu->slowdowns;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *reasons)
{
    ASK_GPU(device, reasons);
    *reasons = gpu->slowdowns;
    return NVML_SUCCESS;
}
