import { v100OfferedMiB } from '../support/memory-node.ts';
import { maxUnits } from './shape.ts';

/** Keys of every GPU of a soak, as in a scenario file. */
export const soakGpu = { model: 'v100-sxm2-32gb' } as const;

/** What the agents of a soak are told of memory. */
export const soakMemory = { reservedPerGpu: '4Gi', maxPerContainer: `${maxUnits}Gi` } as const;

/** What of each GPU is offered by memory. */
export const offeredMiB = v100OfferedMiB;

/** One unit. */
export const unitMiB = 1024;
