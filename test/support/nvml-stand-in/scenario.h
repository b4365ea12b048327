/* What the stand-in pretends: read from the scenario file, asked by the calls. */
#ifndef STAND_IN_SCENARIO_H
#define STAND_IN_SCENARIO_H

#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include "nvml.h"

enum { MAX_GPUS = 16, MAX_LINKS = NVML_NVLINK_MAX_LINKS, MAX_FAULTS = 64, MAX_PROCESSES = 8, MAX_MIG = 8, MAX_EVENTS = 256, NONE = -1, ANY = -1 };

enum link_kind { LINK_OFF, LINK_GPU, LINK_SWITCH };

struct nvlink {
    enum link_kind kind;
    int gpu;         /* the other end, for LINK_GPU */
    char pci[32];    /* the other end, for LINK_SWITCH */
};

/* A MIG device: a compute instance of a GPU instance. Without a profile: an index at which there is none. */
struct mig_device {
    char profile[40];
    char uuid[80];
    unsigned int gpu_instance, compute_instance;
    unsigned long long mib;
};

struct gpu {
    char uuid[80];
    char name[96];
    char pci[32];
    int minor;
    unsigned long long total_mib, reserved_mib, used_mib;
    int major_capability, minor_capability;
    unsigned int architecture;
    int numa;                   /* NONE: not supported */
    int mig, mig_pending;       /* NONE: not supported */
    unsigned int max_mig;
    int mig_names_off;          /* the name of a MIG device does not tell its profile */
    int mig_count;
    struct mig_device mig_devices[MAX_MIG];
    unsigned int virtualization; /* NVML_GPU_VIRTUALIZATION_MODE_… */
    unsigned char cluster[16];  /* of the fabric; zeros: of this machine alone */
    unsigned int clique;
    unsigned int recovery_action;
    long long ecc;              /* NONE: not supported */
    unsigned int sram_exceeded;
    unsigned long long slowdowns; /* nvmlClocksEventReason… */
    unsigned long long events;  /* types that it tells of; 0: not supported */
    unsigned int remapped[4];   /* corrected, uncorrected, pending, failed */
    unsigned int temperature, power, utilization;
    int link_count;
    struct nvlink links[MAX_LINKS];
    int process_count;
    struct { unsigned int pid; unsigned long long mib; } processes[MAX_PROCESSES];
};

enum fault_kind { FAULT_RETURN, FAULT_HANG, FAULT_CRASH, FAULT_SLOW };

struct fault {
    char call[80];      /* "*": every call */
    int gpu;            /* ANY: whatever GPU, none too */
    int mig;            /* ANY: the GPU itself and all of its MIG devices */
    enum fault_kind kind;
    int value;          /* return code, or milliseconds */
    int turns;          /* how often it happens; 0: always */
};

/* Something that the driver tells once to every set of events that was there before it. */
struct event {
    int serial;         /* later ones have higher numbers */
    int gpu;            /* ANY: one that is not listed */
    unsigned long long type, data;
    unsigned int gpu_instance, compute_instance;
    unsigned int times;
};

struct scenario {
    char driver_version[80];
    int cuda_version;
    int gpu_count;
    struct gpu gpus[MAX_GPUS];
    nvmlGpuTopologyLevel_t topology[MAX_GPUS][MAX_GPUS];
    int fault_count;
    struct fault faults[MAX_FAULTS];
    int event_count;
    struct event events[MAX_EVENTS];
    unsigned int event_rate;    /* of one event, a second; 0: at once */
};

/* The scenario as its file stands now; stays as it is when the file changes. */
__attribute__((visibility("hidden"))) const struct scenario *current_scenario(void);

#endif
