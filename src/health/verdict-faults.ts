import type { Gpu, Snapshot } from '../inventory/gpu.ts';
import type { Finding, MigScope, Verdicts } from './verdict.ts';

/**
 * Why GPUs and MIG instances cannot be given out, for a person, by UUID. A GPU's fault is that of all its instances. A fault of one instance is that
 * instance's, as long as it exists; else all of the GPU's, whose same silicon may be in another instance by now. A GPU that is given out as a whole
 * though it is cut into instances is given out with the sick one, so whatever is found is a fault of the GPU under its own UUID.
 */
export function verdictFaults({ gpus }: Verdicts, snapshot: Snapshot): ReadonlyMap<string, string> {
  const faults = new Map<string, string>();
  for (const gpu of snapshot.gpus) {
    const verdict = gpus.get(gpu.uuid);
    if (verdict?.state !== 'unhealthy') continue;
    const found = verdict.findings.filter(({ effect }) => effect === 'unhealthy');
    const ofGpu = found.filter(({ scope }) => !isOfInstances(gpu, scope));
    faults.set(gpu.uuid, describe(found));
    for (const { uuid, ...ids } of gpu.migInstances) {
      const own = found.filter((finding) => ofGpu.includes(finding) || covers(finding.scope, ids));
      if (own.length > 0) faults.set(uuid, describe(own));
    }
  }
  return faults;
}

/** The MIG instance that an incident names, if there is one; `null`: it is about the GPU. */
export function placeIncident(
  place: {
    readonly gpu: string | null;
    readonly gpuInstanceId: number | null;
    readonly computeInstanceId: number | null;
  },
  snapshot: Snapshot | null,
): MigScope | null {
  const { gpuInstanceId, computeInstanceId } = place;
  const gpu = snapshot?.gpus.find(({ uuid }) => uuid === place.gpu);
  if (gpu === undefined || gpuInstanceId === null) return null;
  const scope = { gpuInstanceId, computeInstanceId };
  return isOfInstances(gpu, scope) ? scope : null;
}

/** True for a scope of which the GPU has an instance: the rest of the GPU is not meant. */
export function isOfInstances({ migInstances }: Pick<Gpu, 'migInstances'>, scope: MigScope | null): boolean {
  return migInstances.some((instance) => covers(scope, instance));
}

function covers(
  scope: MigScope | null,
  ids: Pick<Gpu['migInstances'][number], 'gpuInstanceId' | 'computeInstanceId'>,
): boolean {
  if (scope === null || scope.gpuInstanceId !== ids.gpuInstanceId) return false;
  return scope.computeInstanceId === null || scope.computeInstanceId === ids.computeInstanceId;
}

/** The worst, and that there are more; no times and counts, which change while the fault stays the same. */
function describe(found: readonly Finding[]): string {
  const [worst] = found;
  const more = found.length > 1 ? ' (and more: slicewise health)' : '';
  return worst === undefined ? '' : `${worst.what}${more}. ${worst.remedy}`;
}
