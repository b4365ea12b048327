/* What the driver tells unasked. */
#include "calls.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SETS = 16, TURN_MS = 2 };

/* nvmlEventSet_t is a pointer, bare or alone in a struct, as nvmlDevice_t. */
struct nvmlEventSet_st {
    int used;
    unsigned int generation;
    unsigned long long types[MAX_GPUS];
    int seen;                   /* serial of the last event that was told in full */
    int telling;                /* serial of the one that is told now, */
    unsigned int told;          /* and how often it was */
    double first_told_ms;
    int watch;                  /* tells of changes of the scenario's folder; NONE without a file */
};
static struct nvmlEventSet_st sets[MAX_SETS];

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + (double)now.tv_nsec / 1e6;
}

static struct nvmlEventSet_st *behind_set(nvmlEventSet_t set)
{
    struct nvmlEventSet_st *given;

    memcpy(&given, &set, sizeof given);
    if (given < sets || given >= sets + MAX_SETS || !given->used) return NULL;
    return given->generation == current_generation() ? given : NULL;
}

/* As the real library the wait sleeps until there is something to tell. */
static int watch_scenario(void)
{
    const char *path = getenv("NVML_STAND_IN_SCENARIO");
    char folder[4096];
    int watch;

    if (!path || snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder || !strrchr(folder, '/')) return NONE;
    *strrchr(folder, '/') = 0;
    watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    inotify_add_watch(watch, folder, IN_MOVED_TO | IN_CLOSE_WRITE);
    return watch;
}

static void sleep_until_changed(int watch, double ms)
{
    struct pollfd change = {watch, POLLIN, 0};
    char told[4096];

    poll(&change, watch == NONE ? 0 : 1, ms < 1 ? 1 : (int)ms);
    if (watch != NONE)
        while (read(watch, told, sizeof told) > 0) continue;
}

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
    const struct scenario *s = current_scenario();
    struct nvmlEventSet_st *new = sets;

    ASK_SYSTEM(set);
    while (new < sets + MAX_SETS && new->used) new++;
    if (new == sets + MAX_SETS) return NVML_ERROR_INSUFFICIENT_RESOURCES;
    memset(new, 0, sizeof *new);
    new->used = 1;
    new->generation = current_generation();
    /* What happened before is not recorded. */
    for (int i = 0; i < s->event_count; i++)
        if (s->events[i].serial > new->seen) new->seen = s->events[i].serial;
    new->watch = watch_scenario();
    memcpy(set, &new, sizeof new);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set)
{
    struct nvmlEventSet_st *known = behind_set(set);
    ASK_SYSTEM(known);
    known->used = 0;
    if (known->watch != NONE) close(known->watch);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types)
{
    ASK_GPU(device, types);
    if (gpu->events == 0) return NVML_ERROR_NOT_SUPPORTED;
    *types = gpu->events;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
    struct nvmlEventSet_st *known = behind_set(set);
    ASK_GPU(device, known);
    if ((types & ~gpu->events) != 0) return NVML_ERROR_NOT_SUPPORTED;
    known->types[index] |= types;
    return NVML_SUCCESS;
}

/* The next event that the set was not told, or null. */
static const struct event *next_event(struct nvmlEventSet_st *set)
{
    const struct scenario *s = current_scenario();

    for (;;) {
        const struct event *next = NULL;
        for (int i = 0; i < s->event_count; i++) {
            const struct event *event = &s->events[i];
            if (event->serial > set->seen && (!next || event->serial < next->serial)) next = event;
        }
        if (!next) return NULL;
        if (next->serial != set->telling) set->told = 0;
        set->telling = next->serial;
        if (set->told < next->times && (next->gpu == ANY || (set->types[next->gpu] & next->type) != 0)) {
            if (set->told == 0) set->first_told_ms = now_ms();
            if (s->event_rate > 0 && set->told > (now_ms() - set->first_told_ms) * s->event_rate / 1e3) return NULL;
            set->told++;
            return next;
        }
        set->seen = next->serial;
    }
}

static nvmlReturn_t wait_for_event(const char *call, nvmlEventSet_t set, nvmlEventData_t *data, unsigned int ms)
{
    double until = now_ms() + ms;
    struct nvmlEventSet_st *known = behind_set(set);
    const struct event *event;
    nvmlReturn_t entered = enter_call(call, NONE, NONE);

    if (entered != NVML_SUCCESS) return entered;
    if (!known || !data) return NVML_ERROR_INVALID_ARGUMENT;
    /* A GPU's fault in the wait is one of every set that it is in. */
    for (int i = 0; i < MAX_GPUS; i++)
        if (known->types[i] != 0 && (entered = enter_call(call, i, NONE)) != NVML_SUCCESS) return entered;
    while (!(event = next_event(known))) {
        double left = until - now_ms();
        if (left <= 0) return NVML_ERROR_TIMEOUT;
        /* Repeated events come by the clock, not by a change of the file. */
        sleep_until_changed(known->watch, known->told > 0 && left > TURN_MS ? TURN_MS : left);
    }
    memset(data, 0, sizeof *data);
    give_handle(&data->device, event->gpu == ANY ? MAX_GPUS - 1 : event->gpu, NONE);
    data->eventType = event->type;
    data->eventData = event->data;
    data->gpuInstanceId = event->gpu_instance;
    data->computeInstanceId = event->compute_instance;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeoutms)
{
    return wait_for_event(__func__, set, data, timeoutms);
}

nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeoutms)
{
    return wait_for_event(__func__, set, data, timeoutms);
}
