/** The resource of GPU memory, in units of 1 GiB. */
export const memoryResource = 'nvidia.com/gpu-memory';

/** Which GPU a container sees, and how much of its memory it may use; all of it when it has the GPU to itself. */
export interface MemoryShare {
  readonly gpu: string;
  readonly mib: number | 'all';
}

/** What the variables of a container's environment say to the program in it. */
export function memoryShare(envs: Readonly<Record<string, string>>): MemoryShare {
  const mib = envs['SLICEWISE_GPU_MEMORY_MIB'];
  return { gpu: envs['NVIDIA_VISIBLE_DEVICES'] ?? '', mib: mib === undefined ? 'all' : Number(mib) };
}
