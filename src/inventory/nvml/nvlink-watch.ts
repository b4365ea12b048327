import { constants } from './constants.ts';
import type { Handle, Out } from './layouts.ts';
import type { NvmlLibrary } from './library.ts';

/**
 * Counts NVLinks that worked and work no more. That a link is inactive says nothing by itself: on boards that no bridge joins all of them
 * are.
 */
export class NvLinkWatch {
  /** Links that were active once, by the GPU's UUID. */
  readonly #seen = new Map<string, Set<number>>();

  /** Null where the GPU has no NVLink that was ever active, or does not tell of one that was. */
  countDown(nvml: NvmlLibrary, gpu: Handle, uuid: string): number | null {
    const seen = this.#seen.get(uuid) ?? new Set<number>();
    this.#seen.set(uuid, seen);
    let active = 0;
    for (let link = 0; link < constants.NVML_NVLINK_MAX_LINKS; link += 1) {
      const state = readNvLinkState(nvml, gpu, link);
      if (state === null) {
        // A GPU without NVLink says so at the first link, one with fewer links at the first that it lacks. It does not lack one that has worked.
        if ([...seen].some((known) => known >= link)) return null;
        break;
      }
      if (state !== constants.NVML_FEATURE_ENABLED) continue;
      active += 1;
      seen.add(link);
    }
    return seen.size === 0 ? null : seen.size - active;
  }
}

/** Null where the GPU has no such link, or does not tell of it. */
export function readNvLinkState(nvml: NvmlLibrary, gpu: Handle, link: number): number | null {
  const active: Out<number> = [null];
  return nvml.askOrNull('deviceGetNvLinkState', [gpu, link, active], () => active[0]);
}
