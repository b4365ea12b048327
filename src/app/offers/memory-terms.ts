import type { Gpu, Snapshot } from '../../inventory/gpu.ts';
import type { MemoryDevice } from '../../allocation/memory/memory-response.ts';
import { memoryResource, noMemory, planMemory, type MemoryPlan } from '../../resources/memory-units.ts';
import type { ResourcePlan } from '../../resources/plan.ts';
import type { Remarks } from '../../resources/remark.ts';
import type { MemoryTerms } from '../books/books.ts';
import type { MemoryTermsSettings } from '../settings.ts';

/** What a plan of resources means for memory. */
export interface NodeMemory {
  readonly terms: MemoryTerms;
  /** The GPUs that are offered by memory, by UUID. */
  readonly gpus: ReadonlyMap<string, MemoryDevice>;
  readonly remarks: Remarks;
}

interface Circumstances {
  readonly snapshot: Snapshot;
  readonly resources: readonly ResourcePlan[];
  /** What keeps every GPU from being used; `null` when nothing does. */
  readonly nodeFault: string | null;
  /** What keeps a GPU from being used although the driver has nothing against it, by UUID. */
  readonly faults: ReadonlyMap<string, string>;
  /** Whether a GPU is given by its device node. */
  readonly needsDeviceNode: boolean;
}

/** The memory of the GPUs that are offered in any way. */
export function planNodeMemory(settings: MemoryTermsSettings, circumstances: Circumstances): NodeMemory {
  const { snapshot, resources } = circumstances;
  const offered = new Set<string>();
  const timeSliced = new Set<string>();
  for (const { devices } of resources)
    for (const { gpu, replica } of devices) {
      offered.add(gpu.uuid);
      if (replica !== null) timeSliced.add(gpu.uuid);
    }
  const gpus = settings.enabled ? snapshot.gpus.filter(({ uuid }) => offered.has(uuid)) : [];
  const memoryDevices = settings.enabled ? settings.devices : null;
  const planned = planMemory(gpus, { ...settings, devices: memoryDevices, timeSliced });
  const plan = planned.kind === 'planned' ? planned : noMemory(settings.unitMiB, planned.memoryOnly);
  const leftOut = describeLeftOut(plan);
  return {
    terms: {
      plan,
      node: {
        memoryResource,
        known: new Set(snapshot.gpus.map(({ uuid }) => uuid)),
        gpuOfMig: new Map(
          snapshot.gpus.flatMap((gpu) =>
            gpu.migInstances.map((instance) => [instance.uuid, gpu.uuid] as const),
          ),
        ),
      },
      faults: findFaults(circumstances),
      maxPerContainer:
        settings.maxPerContainerMiB === null ? null : Math.floor(settings.maxPerContainerMiB / plan.unitMiB),
      fit: settings.fit,
      releaseDelayMs: settings.releaseDelayMs,
    },
    gpus: new Map(
      gpus
        .filter(({ uuid }) => plan.gpus.some((gpu) => gpu.uuid === uuid))
        .map((gpu) => [gpu.uuid, describe(gpu, plan)] as const),
    ),
    remarks: {
      degradations:
        planned.kind === 'refused'
          ? [{ kind: 'memory-unit-too-small', message: planned.message }]
          : leftOut
              .filter(() => memoryDevices !== null)
              .map((gpus) => ({
                kind: 'memory-only-without-memory',
                message: `memory.devices: not offered whole, and no memory to offer ${gpus}`,
              })),
      notices: [
        ...(memoryDevices === null ? leftOut.map((gpus) => `not offered by memory ${gpus}`) : []),
        ...plan.unknownDevices.map((device) => `memory.devices: ${device} is no GPU that this node offers`),
      ],
    },
  };
}

/** What no resource may offer whole, because it is offered by memory alone. */
export function withoutMemoryOnly(
  resources: readonly ResourcePlan[],
  memoryOnly: ReadonlySet<string>,
): readonly ResourcePlan[] {
  if (memoryOnly.size === 0) return resources;
  return resources.map((resource) => ({
    ...resource,
    devices: resource.devices.filter(({ gpu, mig }) => mig !== null || !memoryOnly.has(gpu.uuid)),
  }));
}

/** `(why): which`, one for each reason: a node has many GPUs, and what keeps one out mostly keeps all out. */
function describeLeftOut({ leftOut }: MemoryPlan): readonly string[] {
  return [...Map.groupBy(leftOut, ({ reason }) => reason)].map(([reason, gpus]) => {
    const named = gpus.map(({ uuid, index }) => `GPU ${index} (${uuid})`).join(', ');
    return `(${reason}): ${named}`;
  });
}

function findFaults({
  snapshot,
  nodeFault,
  faults,
  needsDeviceNode,
}: Circumstances): ReadonlyMap<string, string> {
  return new Map(
    snapshot.gpus.flatMap(({ uuid, error, minor }) => {
      const nodeless =
        needsDeviceNode && minor === null ? 'the driver does not say which /dev/nvidia<N> it is' : null;
      const fault = error ?? faults.get(uuid) ?? nodeFault ?? nodeless;
      return fault === null ? [] : [[uuid, fault] as const];
    }),
  );
}

function describe(gpu: Gpu, plan: MemoryPlan): MemoryDevice {
  const { uuid, index, minor, memoryTotalMiB, memoryReservedMiB } = gpu;
  const totalMiB = plan.gpus.find((each) => each.uuid === uuid)?.totalMiB ?? 0;
  return {
    device: {
      id: uuid,
      gpu: { uuid, index, minor, memoryTotalMiB },
      mig: null,
      replica: null,
      fault: null,
      numaNode: null,
    },
    usableMiB: totalMiB - (memoryReservedMiB ?? 0),
  };
}
