import { preparePreferred } from '../../src/allocation/preferred/preferred.ts';
import { type LinkedGpu, scoreMatrix } from '../../src/allocation/preferred/topology.ts';
import { uuidOf } from './linked-nodes.ts';
import type { PairScore } from './peer-choice.ts';

/** A request for whole GPUs, by index. */
export interface GpuRequest {
  readonly available: readonly number[];
  readonly required: readonly number[];
  readonly size: number;
}

/** What is proposed, ascending. */
export function choose(
  gpus: readonly LinkedGpu[],
  { available, required, size }: GpuRequest,
): readonly number[] {
  const prefer = preparePreferred(
    gpus.map(({ uuid }) => ({ id: uuid, gpuUuid: uuid })),
    { links: scoreMatrix(gpus), policy: 'distributed' },
  );
  const answer = prefer({ availableIds: available.map(uuidOf), requiredIds: required.map(uuidOf), size });
  return answer.map((uuid) => gpus.findIndex((gpu) => gpu.uuid === uuid)).toSorted((a, b) => a - b);
}

/** The scores that the choice goes by. */
export function scoreOf(gpus: readonly LinkedGpu[]): PairScore {
  const links = scoreMatrix(gpus);
  return (a, b) => links.between(uuidOf(a), uuidOf(b));
}
