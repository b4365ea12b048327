import type { GpuStatus } from '../allocation/status/gpu-status.ts';
import type { HolderState, HolderStatus, Share } from '../allocation/status/holder-status.ts';
import type { NodeStatus } from '../allocation/status/node-status.ts';
import { alignRight, count, reasonText, unnamedLine } from './status-words.ts';
import { plain, type StyledLine } from './styled-line.ts';
import { textTable } from './text-table.ts';

/** What stands below a GPU begins in the column of its UUID. */
const indent = '     ';

/** The GPUs with who holds them below, one element a line. */
export function gpuLines({ gpus, missing, elsewhere }: NodeStatus): readonly StyledLine[] {
  const rows = [
    ...gpus.map((gpu) => rowOf(gpu.index, gpu.uuid, gpu.memory, stateOf(gpu))),
    ...missing.map(({ uuid }) => rowOf(null, uuid, null, 'unhealthy')),
  ];
  const heads = ['GPU', 'UUID', 'UNITS', 'HELD', 'FREE', 'STATE'];
  const [head = '', ...table] = textTable([heads, ...rows])
    .trimEnd()
    .split('\n');
  const all = [...gpus.flatMap((gpu) => gpu.holders ?? []), ...elsewhere];
  const holders = new HolderTable(all, gpus);
  return [
    rows.length === 0 ? plain('No GPU.') : { text: head, style: 'bold' },
    ...gpus.flatMap((gpu, at) => {
      return [
        painted(table[at] ?? '', stateOf(gpu)),
        ...detailLines(gpu),
        ...(gpu.holders ?? []).map((holder) => holders.line(holder)),
      ];
    }),
    ...missing.flatMap((gpu, at) => [
      painted(table[gpus.length + at] ?? '', 'unhealthy'),
      unnamedLine,
      ...healthLines(gpu),
    ]),
    ...elsewhereLines(elsewhere, holders),
    ...legend(all),
  ];
}

function rowOf(index: number | null, uuid: string, memory: GpuStatus['memory'], state: State): string[] {
  return [
    alignRight(index, 'GPU'),
    uuid,
    alignRight(memory?.units, 'UNITS'),
    alignRight(memory?.heldUnits, 'HELD'),
    alignRight(memory?.freeUnits, 'FREE'),
    state,
  ];
}

function painted(text: string, state: State): StyledLine {
  return { text, style: styles[state] ?? null, from: text.length - state.length };
}

function elsewhereLines(elsewhere: readonly HolderStatus[], holders: HolderTable): readonly StyledLine[] {
  if (elsewhere.length === 0) return [];
  return [
    { text: '  -  held, and on no GPU of this node', style: 'red' },
    ...elsewhere.map((holder) => holders.line(holder)),
  ];
}

type State =
  | 'unhealthy'
  | 'orphaned'
  | 'not tracked'
  | 'not offered'
  | 'not known yet'
  | 'free'
  | 'memory'
  | 'whole'
  | 'MIG'
  | 'time slices'
  | 'several ways';

const styles: Readonly<Partial<Record<State, StyledLine['style']>>> = {
  unhealthy: 'red',
  orphaned: 'red',
  'not known yet': 'yellow',
  'not tracked': 'dim',
  'not offered': 'dim',
  free: 'green',
};

const shareStates = {
  memory: 'memory',
  whole: 'whole',
  mig: 'MIG',
  'time-slice': 'time slices',
} as const satisfies Readonly<Record<Share, State>>;

/** The most important of what can be said of a GPU. */
function stateOf({ fault, holders, offeredAs, memory, withheld }: GpuStatus): State {
  if (fault !== null) return 'unhealthy';
  const [first, ...others] = new Set((holders ?? []).map(({ share }) => share));
  if ((holders ?? []).some(({ state }) => state === 'orphan')) return 'orphaned';
  if (first !== undefined) return others.length === 0 ? shareStates[first] : 'several ways';
  if (offeredAs.length === 0 && memory === null) return 'not offered';
  if (holders === null) return 'not tracked';
  return withheld.includes('books-unknown') ? 'not known yet' : 'free';
}

function detailLines(gpu: GpuStatus): readonly StyledLine[] {
  const { product, totalMiB, reservedMiB, migInstances, fault, withoutMemory } = gpu;
  const size = totalMiB === null ? '' : `, ${totalMiB} MiB`;
  const reserved = reservedMiB === null || reservedMiB === 0 ? '' : `, ${reservedMiB} MiB reserved`;
  const profiles = Map.groupBy(migInstances, ({ profile }) => profile);
  const instances = [...profiles].map(([profile, members]) => `${members.length} × ${profile}`).join(', ');
  // That it is in use in another way is plain from its state.
  const withheld = gpu.withheld.filter((reason) => reason !== 'fault' && reason !== 'other-use');
  return [
    { text: `${indent}${product}${size}${reserved}`, style: 'dim' },
    ...(fault === null ? healthLines(gpu) : [{ text: `${indent}${fault}`, style: 'red' as const }]),
    ...(instances === '' ? [] : [plain(`${indent}MIG instances: ${instances}`)]),
    ...(withoutMemory === null || migInstances.length > 0
      ? []
      : [plain(`${indent}no memory units: ${withoutMemory}`)]),
    ...(withheld.length === 0
      ? []
      : [plain(`${indent}withheld: ${withheld.map((reason) => reasonText(reason)).join(', ')}`)]),
  ];
}

/** What is to be looked after on a GPU that is given out, at least in part. */
function healthLines({ health }: Pick<GpuStatus, 'health'>): readonly StyledLine[] {
  if (health === null) return [];
  const { findings, unmonitored } = health;
  const found = findings.filter(({ effect }) => effect !== 'noted');
  return [
    ...found.map(({ effect, what, remedy, migInstance }): StyledLine => {
      const where = migInstance === null ? '' : `MIG instance ${migInstance}: `;
      return {
        text: `${indent}${effect}: ${where}${what}. ${remedy}`,
        style: effect === 'unhealthy' ? 'red' : 'yellow',
      };
    }),
    ...(unmonitored === null
      ? []
      : [{ text: `${indent}a fault would not be told: ${unmonitored}`, style: 'yellow' as const }]),
  ];
}

const stateTexts: Readonly<Partial<Record<HolderState, string>>> = {
  pending: "answered, and not in the kubelet's books yet",
  ending: "no longer in the kubelet's list of pods, still in its books",
  orphan: 'lost by a kubelet that restarted; its containers may run on',
  releasing: 'ended, and booked for a while longer (memory.releaseDelay)',
  inherited: 'given out by another plugin',
  foreign: 'nobody can tell what it holds, so no memory is offered',
};

/** What the states mean of which there are some. */
function legend(holders: readonly HolderStatus[]): readonly StyledLine[] {
  const used = new Set(holders.map(({ state }) => state));
  const lines = Object.entries(stateTexts).filter(([state]) => used.has(state as HolderState));
  if (lines.length === 0) return [];
  return [plain(''), ...lines.map(([state, text]) => ({ text: `${state}: ${text}`, style: 'dim' as const }))];
}

/** Holders as lines whose columns are equally wide all over the node. */
class HolderTable {
  readonly #lines: ReadonlyMap<HolderStatus, string>;

  constructor(holders: readonly HolderStatus[], gpus: readonly GpuStatus[]) {
    const profiles = new Map(
      gpus.flatMap(({ migInstances }) => migInstances.map(({ uuid, profile }) => [uuid, profile] as const)),
    );
    const hasStates = holders.some(({ state }) => state !== 'held');
    const rows = holders.map((holder) => [
      amountOf(holder, profiles),
      ...(hasStates ? [holder.state === 'held' ? '' : holder.state] : []),
      nameOf(holder),
    ]);
    const texts = textTable(rows).split('\n');
    this.#lines = new Map(holders.map((holder, at) => [holder, texts[at] ?? '']));
  }

  line(holder: HolderStatus): StyledLine {
    const isOdd = holder.state === 'orphan' || holder.state === 'foreign';
    return { text: `${indent}${this.#lines.get(holder) ?? ''}`, style: isOdd ? 'red' : null };
  }
}

function amountOf(
  { share, units, memoryMiB, devices }: HolderStatus,
  profiles: ReadonlyMap<string, string>,
): string {
  switch (share) {
    case 'memory':
      return `${count(units ?? 0, 'unit')}${memoryMiB === null ? '' : `, ${memoryMiB} MiB`}`;
    case 'mig':
      return `MIG ${devices.map((id) => profiles.get(id) ?? id).join(', ')}`;
    case 'time-slice':
      return count(devices.length, 'time slice');
    case 'whole':
      return 'whole';
  }
}

function nameOf({ namespace, pod, container, podUid }: HolderStatus): string {
  if (pod !== null) return `${namespace}/${pod}/${container}`;
  if (podUid !== null) return `pod ${podUid}/${container}`;
  return 'not known yet';
}
