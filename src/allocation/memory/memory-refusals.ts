import { gpuResource } from '../../resources/resource-name.ts';
import { memoryResource } from '../../resources/memory-units.ts';
import { isForeign } from '../holdings/node-gpus.ts';
import { capOf, isOfOtherUnit, type MemoryOffer, type MemoryPause, type MemoryRoom } from './memory-view.ts';

type Planned = Pick<MemoryOffer, 'plan' | 'maxPerContainer'>;

/** For a request that no container may make here, however empty the node is. */
export function explainOverCap(units: number, offer: Planned): string {
  const { plan } = offer;
  const cap = capOf(offer);
  const largest = Math.max(0, ...plan.gpus.map((gpu) => gpu.units));
  const asked = `${memoryResource}: ${units} asked`;
  if (largest === 0)
    return `${asked}, but no GPU of this node is offered by memory. Delete the pod, so that it is placed elsewhere.`;
  const unit = `one unit is ${plan.unitMiB} MiB`;
  if (units <= largest)
    return `${asked}, but one container may have at most ${cap} here (memory.maxPerContainer; ${unit}). Ask for fewer, or for ${gpuResource}: 1 to have a GPU alone.`;
  // A GPU that is asked for whole comes with what is reserved otherwise.
  const gpus = Math.ceil((units * plan.unitMiB) / Math.max(...plan.gpus.map(({ totalMiB }) => totalMiB)));
  return (
    `${asked}, but all units of a container lie on one GPU, and the largest GPU of this node has ${largest} ` +
    `(${unit}; at most ${cap} for one container). Ask for at most ${cap}, or for ${gpuResource}: ${gpus} to have GPUs alone.`
  );
}

/** For a request that fits on none of the GPUs as they are now. */
export function explainNoRoom(
  units: number,
  rooms: readonly MemoryRoom[],
  cap: number,
  { plan }: Pick<MemoryOffer, 'plan'>,
): string {
  const holes = rooms.map(({ hole }) => hole);
  const hole = Math.max(0, ...holes);
  const sum = holes.reduce((total, free) => total + free, 0);
  const held = rooms.filter(({ use }) => use !== null && use.whole.length > 0).length;
  const faulty = rooms.filter(({ fault }) => fault !== null).length;
  const besides = [
    ...(held > 0 ? [`${held} held whole`] : []),
    ...(faulty > 0 ? [`${faulty} unhealthy`] : []),
  ].join(', ');
  const whole =
    units === cap ? ` A container that needs all of a GPU asks for ${gpuResource}: 1 instead.` : '';
  return (
    `${memoryResource}: ${units} asked, but all units of a container lie on one GPU, and the largest hole on the ` +
    `${rooms.length} GPUs of this node is ${hole} of ${sum} free units (${plan.unitMiB} MiB each, at most ${cap} for one container` +
    `${besides === '' ? '' : `; GPUs: ${besides}`}). Delete the pod, so that it is placed anew.${whole}`
  );
}

/** For a request that comes while nothing new is offered of memory. */
export function explainPause(units: number, pause: MemoryPause, offer: MemoryOffer): string {
  return `${memoryResource}: ${units} asked, but ${whyPaused(pause, offer)}. Delete the pod, so that it is placed anew.`;
}

/** Why nothing new is offered of memory, and until when, as the rest of a sentence. */
export function whyPaused(
  pause: MemoryPause,
  { plan, holdings, node }: Pick<MemoryOffer, 'plan' | 'holdings' | 'node'>,
): string {
  const { entries } = holdings;
  switch (pause) {
    case 'starting':
      return "the agent on this node has just started and the kubelet's record could not be read in time";
    case 'unreadable-checkpoint':
      return "the kubelet's record of what is held on this node cannot be read; the agent's log says why";
    case 'foreign-allocation': {
      const foreign = entries.find((entry) => isForeign(entry, node));
      const owner = foreign?.owner ?? null;
      const whose = owner === null ? '' : ` (pod ${owner.podUid}, container ${owner.container})`;
      return `a container on this node${whose} holds ${foreign?.resource ?? 'devices'} that were not given by this agent; memory is offered again when it has ended`;
    }
    case 'other-unit': {
      const other = entries.find((entry) => isOfOtherUnit(entry, { plan, node }));
      const mib = other?.record?.units?.mib ?? '?';
      return `containers on this node still hold units of ${mib} MiB, and a unit is ${plan.unitMiB} MiB now; memory is offered again when they have ended`;
    }
  }
}
