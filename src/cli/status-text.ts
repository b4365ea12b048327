import type { MemoryPause } from '../allocation/memory/memory-view.ts';
import type { MemoryStatus, NodeStatus, ResourceStatus } from '../allocation/status/node-status.ts';
import { gpuLines } from './status-gpus.ts';
import { alignRight, count, describeWithheld } from './status-words.ts';
import { plain, type StyledLine } from './styled-line.ts';
import { textTable } from './text-table.ts';

/**
 * A node as a person reads it, one element a line.
 * @param time `passes`: it stays on the screen until something changes, so that an age would soon be wrong
 */
export function statusLines(status: NodeStatus, time: 'stands' | 'passes'): readonly StyledLine[] {
  const blocks: readonly (readonly StyledLine[])[] = [
    opening(status, time),
    tableLines(status.resources),
    memoryLines(status.memory),
    gpuLines(status),
  ];
  return blocks
    .filter((block) => block.length > 0)
    .flatMap((block, at) => (at === 0 ? block : [plain(''), ...block]));
}

function opening(
  { agent, inventory, holdings }: NodeStatus,
  time: 'stands' | 'passes',
): readonly StyledLine[] {
  const { ageSeconds, isStale, failure, unreadable } = inventory;
  const age = time === 'stands' ? `; the GPUs were read ${Math.round(ageSeconds ?? 0)} s ago` : '';
  const read = ageSeconds === null ? '; the GPUs were not read yet' : age;
  const isServing = agent.role === 'serving';
  return [
    plain(`Slicewise ${agent.version} ${isServing ? 'serves' : 'does not serve'} this node${read}.`),
    ...(agent.reason === null ? [] : [{ text: `It is ${agent.reason}.`, style: 'yellow' as const }]),
    ...(isStale && failure === null ? [warning('The driver does not answer: what follows is old.')] : []),
    ...(failure === null ? [] : [warning(`The GPUs cannot be read: ${failure}`)]),
    ...unreadable.map(({ index, error }) => warning(`GPU ${index} is not offered: ${error}`)),
    ...(holdings.reason === null
      ? []
      : [
          holdings.state === 'not-tracked'
            ? { text: `Holders are not tracked: ${holdings.reason}.`, style: 'dim' as const }
            : warning(`Holders are not certain: ${holdings.reason}.`),
        ]),
  ];
}

function warning(text: string): StyledLine {
  return { text, style: 'red' };
}

function tableLines(resources: readonly ResourceStatus[]): readonly StyledLine[] {
  if (resources.length === 0) return [{ text: 'No resource is offered.', style: 'yellow' }];
  const rows = resources.map(({ resource, isConnected, healthy, unhealthy, withheld }) => {
    const notes = [...(isConnected ? [] : ['the kubelet does not listen']), ...describeWithheld(withheld)];
    return [resource, alignRight(healthy, 'HEALTHY'), alignRight(unhealthy, 'UNHEALTHY'), notes.join(', ')];
  });
  const lines = textTable([['RESOURCE', 'HEALTHY', 'UNHEALTHY', ''], ...rows])
    .trimEnd()
    .split('\n');
  return lines.map((text, at) => ({ text, style: at === 0 ? 'bold' : null }));
}

const pauseTexts = {
  starting: 'No memory is offered now: it is not known yet what is held.',
  'unreadable-checkpoint': "No memory is offered now: the kubelet's record cannot be read.",
  'foreign-allocation': 'No memory is offered now: somebody holds what nobody can place (foreign).',
  'other-unit': 'No memory is offered now: units of another size are still held.',
} as const satisfies Readonly<Record<MemoryPause, string>>;

function memoryLines(memory: MemoryStatus | null): readonly StyledLine[] {
  if (memory === null) return [];
  const { unitMiB, units, heldUnits, promisedUnits, largestHole, maxPerContainer, fit, paused, heldBackTo } =
    memory;
  const held =
    heldUnits === null
      ? count(units, 'unit')
      : `${heldUnits} of ${count(units, 'unit')} held, ${promisedUnits} promised (${fit})`;
  const hole = largestHole === null ? '' : `largest hole ${largestHole}, `;
  return [
    plain(`Memory: ${held}; a unit is ${unitMiB} MiB`),
    plain(`        ${hole}at most ${maxPerContainer} for one container`),
    ...(heldBackTo === null
      ? []
      : [plain(`        held back after a refusal: at most ${heldBackTo} are promised for a while`)]),
    ...(paused === null ? [] : [warning(pauseTexts[paused])]),
  ];
}
