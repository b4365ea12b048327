#include "scenario.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The one that is being read. */
static struct scenario scenario;

static void set_defaults(void)
{
    static const char *switches[] = {"00000000:05:00.0", "00000000:06:00.0", "00000000:07:00.0", "00000000:08:00.0"};
    static const int buses[] = {0x1b, 0x43, 0x52, 0x61, 0x9d, 0xc3, 0xd1, 0xdf};

    memset(&scenario, 0, sizeof scenario);
    strcpy(scenario.driver_version, "590.48.01");
    scenario.cuda_version = 13010;
    scenario.gpu_count = 8;
    for (int i = 0; i < MAX_GPUS; i++) {
        struct gpu *gpu = &scenario.gpus[i];
        snprintf(gpu->uuid, sizeof gpu->uuid, "GPU-5a1dbeef-0000-4000-8000-%012x", i);
        strcpy(gpu->name, "NVIDIA H100 80GB HBM3");
        snprintf(gpu->pci, sizeof gpu->pci, "%08X:%02X:00.0", i / 8, buses[i % 8]);
        gpu->minor = i;
        gpu->total_mib = 81559;
        gpu->reserved_mib = 551;
        gpu->major_capability = 9;
        gpu->architecture = NVML_DEVICE_ARCH_HOPPER;
        gpu->numa = NONE;
        gpu->max_mig = 7;
        gpu->events = nvmlEventTypeAll;
        gpu->temperature = 31;
        gpu->power = 72000;
        gpu->link_count = MAX_LINKS;
        for (int link = 0; link < MAX_LINKS; link++) {
            gpu->links[link].kind = LINK_SWITCH;
            strcpy(gpu->links[link].pci, switches[link % 4]);
        }
        for (int j = 0; j < MAX_GPUS; j++)
            scenario.topology[i][j] = i / 4 == j / 4 ? NVML_TOPOLOGY_NODE : NVML_TOPOLOGY_SYSTEM;
    }
}

static void reject(const char *path, int line, const char *text)
{
    fprintf(stderr, "nvml stand-in: %s:%d is not understood: %s\n", path, line, text);
    _exit(70);
}

static int on_off(const char *value, int *mode)
{
    if (strcmp(value, "on") == 0) *mode = 1;
    else if (strcmp(value, "off") == 0) *mode = 0;
    else if (strcmp(value, "none") == 0) *mode = NONE;
    else return 0;
    return 1;
}

static int copy_text(char *to, size_t size, const char *value)
{
    return snprintf(to, size, "%s", value) < (int)size;
}

static int set_property(struct gpu *gpu, const char *key, const char *value)
{
    unsigned int *r = gpu->remapped;

    if (strcmp(key, "uuid") == 0) return copy_text(gpu->uuid, sizeof gpu->uuid, value);
    if (strcmp(key, "name") == 0) return copy_text(gpu->name, sizeof gpu->name, value);
    if (strcmp(key, "pci") == 0) return copy_text(gpu->pci, sizeof gpu->pci, value);
    if (strcmp(key, "minor") == 0) return sscanf(value, "%d", &gpu->minor) == 1;
    if (strcmp(key, "memory") == 0) return sscanf(value, "%llu", &gpu->total_mib) == 1;
    if (strcmp(key, "reserved") == 0) return sscanf(value, "%llu", &gpu->reserved_mib) == 1;
    if (strcmp(key, "used") == 0) return sscanf(value, "%llu", &gpu->used_mib) == 1;
    if (strcmp(key, "compute") == 0)
        return sscanf(value, "%d.%d", &gpu->major_capability, &gpu->minor_capability) == 2;
    if (strcmp(key, "architecture") == 0) return sscanf(value, "%u", &gpu->architecture) == 1;
    if (strcmp(key, "numa") == 0) {
        gpu->numa = NONE;
        return strcmp(value, "none") == 0 || sscanf(value, "%d", &gpu->numa) == 1;
    }
    if (strcmp(key, "mig") == 0) {
        int known = on_off(value, &gpu->mig);
        gpu->mig_pending = gpu->mig;
        return known;
    }
    if (strcmp(key, "mig-pending") == 0) return on_off(value, &gpu->mig_pending);
    if (strcmp(key, "max-mig") == 0) return sscanf(value, "%u", &gpu->max_mig) == 1;
    if (strcmp(key, "mig-names") == 0) {
        gpu->mig_names_off = strcmp(value, "off") == 0;
        return gpu->mig_names_off || strcmp(value, "on") == 0;
    }
    if (strcmp(key, "virtualization") == 0) return sscanf(value, "%u", &gpu->virtualization) == 1;
    if (strcmp(key, "clique") == 0) return sscanf(value, "%u", &gpu->clique) == 1;
    if (strcmp(key, "cluster") == 0) {
        for (int i = 0; i < 16; i++)
            if (sscanf(value + 2 * i, "%2hhx", &gpu->cluster[i]) != 1) return 0;
        return 1;
    }
    if (strcmp(key, "recovery-action") == 0) return sscanf(value, "%u", &gpu->recovery_action) == 1;
    if (strcmp(key, "ecc") == 0) {
        gpu->ecc = NONE;
        return strcmp(value, "none") == 0 || sscanf(value, "%lld", &gpu->ecc) == 1;
    }
    if (strcmp(key, "sram") == 0) return sscanf(value, "%u", &gpu->sram_exceeded) == 1;
    if (strcmp(key, "slowdowns") == 0) return sscanf(value, "%llx", &gpu->slowdowns) == 1;
    if (strcmp(key, "events") == 0) {
        gpu->events = 0;
        return strcmp(value, "none") == 0 || sscanf(value, "%llx", &gpu->events) == 1;
    }
    if (strcmp(key, "remapped") == 0) return sscanf(value, "%u %u %u %u", r, r + 1, r + 2, r + 3) == 4;
    if (strcmp(key, "temperature") == 0) return sscanf(value, "%u", &gpu->temperature) == 1;
    if (strcmp(key, "power") == 0) return sscanf(value, "%u", &gpu->power) == 1;
    if (strcmp(key, "utilization") == 0) return sscanf(value, "%u", &gpu->utilization) == 1;
    if (strcmp(key, "process") == 0 && gpu->process_count < MAX_PROCESSES) {
        int n = gpu->process_count++;
        return sscanf(value, "%u %llu", &gpu->processes[n].pid, &gpu->processes[n].mib) == 2;
    }
    return 0;
}

/* A GPU's number, or ANY for "*"; -2 for anything else. */
static int gpu_number(const char *word)
{
    char *end;
    long number;

    if (strcmp(word, "*") == 0) return ANY;
    number = strtol(word, &end, 10);
    return *word && !*end && number >= 0 && number < MAX_GPUS ? (int)number : -2;
}

/* `<gpu>`, or `<gpu>:<index>` for one of its MIG devices. */
static int add_fault(const char *call, char *place, const char *what)
{
    struct fault *fault = &scenario.faults[scenario.fault_count];
    char *colon = strchr(place, ':');
    int gpu, mig = ANY;

    if (colon) {
        *colon = 0;
        mig = gpu_number(colon + 1);
    }
    gpu = gpu_number(place);
    if (gpu < ANY || mig < ANY) return 0;
    if (scenario.fault_count == MAX_FAULTS || !copy_text(fault->call, sizeof fault->call, call)) return 0;
    fault->gpu = gpu;
    fault->mig = mig;
    fault->value = fault->turns = 0;
    if (strcmp(what, "hang") == 0) fault->kind = FAULT_HANG;
    else if (strcmp(what, "crash") == 0) fault->kind = FAULT_CRASH;
    else if (sscanf(what, "return %d %d", &fault->value, &fault->turns) >= 1) fault->kind = FAULT_RETURN;
    else if (sscanf(what, "slow %d", &fault->value) == 1) fault->kind = FAULT_SLOW;
    else return 0;
    scenario.fault_count++;
    return 1;
}

/* `<GPU instance> <compute instance> <profile> <MiB> [<uuid>]`, or `none` for an index without a device. */
static int add_mig_device(int number, const char *text)
{
    struct gpu *gpu = &scenario.gpus[number];
    struct mig_device *mig = &gpu->mig_devices[gpu->mig_count];
    int words;

    if (gpu->mig_count == MAX_MIG) return 0;
    gpu->mig_count++;
    if (strcmp(text, "none") == 0) return 1;
    words = sscanf(text, "%u %u %39s %llu %79s", &mig->gpu_instance, &mig->compute_instance, mig->profile, &mig->mib,
                   mig->uuid);
    if (words == 4)
        snprintf(mig->uuid, sizeof mig->uuid, "MIG-5a1dbeef-%04x-4%03x-8%03x-000000000000", number, mig->gpu_instance,
                 mig->compute_instance);
    return words >= 4;
}

static int set_link(int gpu, int number, const char *kind, const char *end)
{
    struct nvlink *link;

    if (gpu < 0 || number < 0 || number >= MAX_LINKS) return 0;
    link = &scenario.gpus[gpu].links[number];
    if (strcmp(kind, "off") == 0) link->kind = LINK_OFF;
    else if (strcmp(kind, "switch") == 0 && copy_text(link->pci, sizeof link->pci, end)) link->kind = LINK_SWITCH;
    else if (strcmp(kind, "gpu") == 0 && (link->gpu = gpu_number(end)) >= 0) link->kind = LINK_GPU;
    else return 0;
    return 1;
}

static int set_link_count(int gpu, int count)
{
    if (count < 0 || count > MAX_LINKS) return 0;
    for (int i = 0; i < MAX_GPUS; i++) {
        if (gpu != ANY && gpu != i) continue;
        scenario.gpus[i].link_count = count;
        for (int link = 0; link < MAX_LINKS; link++) scenario.gpus[i].links[link].kind = LINK_OFF;
    }
    return 1;
}

/* `<serial> <gpu> <type> [<data> [<GPU instance> <compute instance> [<times>]]]`; `?` is a GPU that nobody knows. */
static int add_event(int serial, const char *gpu, const char *type, const char *rest)
{
    static const struct { const char *name; unsigned long long bit; } types[] = {
        {"xid", nvmlEventTypeXidCriticalError},
        {"ecc", nvmlEventTypeDoubleBitEccError},
        {"unavailable", nvmlEventTypeGpuUnavailableError},
        {"recovery-action", nvmlEventTypeGpuRecoveryAction},
        {"mig", nvmlEventMigConfigChange},
        {"clock", nvmlEventTypeClock},
    };
    struct event *event = &scenario.events[scenario.event_count];
    char gi[16] = "-", ci[16] = "-";

    if (scenario.event_count == MAX_EVENTS) return 0;
    *event = (struct event){serial, strcmp(gpu, "?") == 0 ? ANY : gpu_number(gpu), 0, 0, 0xffffffff, 0xffffffff, 1};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(type, types[i].name) == 0) event->type = types[i].bit;
    sscanf(rest, "%llu %15s %15s %u", &event->data, gi, ci, &event->times);
    if (strcmp(gi, "-") != 0 && sscanf(gi, "%u", &event->gpu_instance) != 1) return 0;
    if (strcmp(ci, "-") != 0 && sscanf(ci, "%u", &event->compute_instance) != 1) return 0;
    scenario.event_count++;
    return event->type != 0 && event->gpu >= ANY;
}

static int set_gpus(int gpu, const char *key, const char *value)
{
    for (int i = 0; i < MAX_GPUS; i++)
        if ((gpu == ANY || gpu == i) && !set_property(&scenario.gpus[i], key, value)) return 0;
    return 1;
}

/* One line without its comment and newline; 0 when it is not understood. */
static int read_line(const char *line)
{
    char word[80], other[32], rest[128] = "";
    int a, b;

    if (sscanf(line, " driver-version %79s", scenario.driver_version) == 1) return 1;
    if (sscanf(line, " cuda-version %d", &scenario.cuda_version) == 1) return 1;
    if (sscanf(line, " gpus %d", &a) == 1) {
        scenario.gpu_count = a;
        return a >= 0 && a <= MAX_GPUS;
    }
    if (sscanf(line, " gpu %79s %31s %127[^\n]", word, other, rest) == 3)
        return gpu_number(word) >= ANY && set_gpus(gpu_number(word), other, rest);
    if (sscanf(line, " links %79s %d", word, &a) == 2) return gpu_number(word) >= ANY && set_link_count(gpu_number(word), a);
    if (sscanf(line, " link %79s %d %31s %127s", word, &a, other, rest) >= 3)
        return set_link(gpu_number(word), a, other, rest);
    if (sscanf(line, " topology %d %d %31s", &a, &b, other) == 3) {
        if (a < 0 || a >= MAX_GPUS || b < 0 || b >= MAX_GPUS) return 0;
        scenario.topology[a][b] = scenario.topology[b][a] = (nvmlGpuTopologyLevel_t)atoi(other);
        return 1;
    }
    if (sscanf(line, " fault %79s %31s %127[^\n]", word, other, rest) == 3)
        return add_fault(word, other, rest);
    if (sscanf(line, " event-rate %u", &scenario.event_rate) == 1) return 1;
    if (sscanf(line, " event %d %79s %31s %127[^\n]", &a, word, other, rest) >= 3)
        return add_event(a, word, other, rest);
    if (sscanf(line, " mig %79s %127[^\n]", word, rest) == 2)
        return gpu_number(word) >= 0 && add_mig_device(gpu_number(word), rest);
    return 0;
}

static void read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[256];

    set_defaults();
    if (!file) return;
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        line[strcspn(line, "#\n")] = 0;
        if (line[strspn(line, " \t")] && !read_line(line)) reject(path, number, line);
    }
    fclose(file);
}

/* A new one for each change, and the old ones are kept: another thread may be reading them. */
const struct scenario *current_scenario(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct scenario *current;
    static struct stat last;
    const char *path = getenv("NVML_STAND_IN_SCENARIO");
    const struct scenario *found;
    struct stat now;

    pthread_mutex_lock(&lock);
    if (!path || stat(path, &now) != 0) memset(&now, 0, sizeof now);
    if (!current || now.st_ino != last.st_ino || now.st_size != last.st_size ||
        now.st_mtim.tv_sec != last.st_mtim.tv_sec || now.st_mtim.tv_nsec != last.st_mtim.tv_nsec) {
        last = now;
        read_file(path ? path : "");
        current = malloc(sizeof scenario);
        *current = scenario;
    }
    found = current;
    pthread_mutex_unlock(&lock);
    return found;
}
