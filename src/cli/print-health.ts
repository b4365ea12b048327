import type { GpuFindingStatus, GpuHealthStatus } from '../allocation/status/gpu-status.ts';
import type { Terminal } from './terminal.ts';
import { alignRight, unnamedLine } from './status-words.ts';
import { paintLines, type StyledLine } from './styled-line.ts';
import { textTable } from './text-table.ts';

/** What is held against the GPUs of a node. */
export interface HealthReport {
  /** Whether an agent said so now; else it was written down. */
  readonly isLive: boolean;
  readonly gpus: readonly GpuHealth[];
}

export interface GpuHealth extends GpuHealthStatus {
  /** `null` where no agent answers, and for a GPU that the driver does not name now. */
  readonly index: number | null;
  readonly uuid: string;
}

const styles = {
  healthy: 'green',
  degraded: 'yellow',
  unmonitored: 'yellow',
  unhealthy: 'red',
} as const satisfies Readonly<Record<GpuHealthStatus['state'], StyledLine['style']>>;

/** Prints how GPUs are. */
export function printHealth(
  report: HealthReport,
  output: 'table' | 'json',
  { stdout }: Pick<Terminal, 'stdout'>,
): void {
  if (output === 'json') stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else stdout.write(paintLines(healthLines(report), stdout));
}

/** One line a GPU, and below it what was found with what is to be done. */
function healthLines({ isLive, gpus }: HealthReport): readonly StyledLine[] {
  if (gpus.length === 0)
    return [
      { text: isLive ? 'The GPUs were not asked yet.' : 'Nothing was held against any GPU.', style: null },
    ];
  const rows = gpus.map(({ index, uuid, state, since }) => [
    alignRight(index, 'GPU'),
    uuid,
    shortTime(since),
    state,
  ]);
  const [head = '', ...table] = textTable([['GPU', 'UUID', 'SINCE', 'STATE'], ...rows])
    .trimEnd()
    .split('\n');
  return [
    { text: head, style: 'bold' },
    ...gpus.flatMap((gpu, at): StyledLine[] => {
      const text = table[at] ?? '';
      return [
        { text, style: styles[gpu.state], from: text.length - gpu.state.length },
        ...(isLive && gpu.index === null ? [unnamedLine] : []),
        ...gpu.findings.flatMap((finding) => findingLines(finding)),
        ...(gpu.unmonitored === null
          ? []
          : [
              {
                text: `     a fault would not be told: ${gpu.unmonitored}`,
                style: 'yellow' as const,
              },
            ]),
      ];
    }),
  ];
}

const effects = {
  unhealthy: 'out',
  degraded: 'look after it',
  noted: 'noted',
} as const satisfies Readonly<Record<GpuFindingStatus['effect'], string>>;

function findingLines({
  effect,
  what,
  remedy,
  class: xidClass,
  migInstance,
  firstAt,
  lastAt,
  count,
}: GpuFindingStatus): readonly StyledLine[] {
  const often = count === 1 ? '' : `, ${count} times until ${shortTime(lastAt)}`;
  const where = migInstance === null ? '' : `MIG instance ${migInstance}: `;
  const classed = xidClass === null ? '' : `, class ${xidClass}`;
  const styled = effect === 'noted' ? 'dim' : effect === 'degraded' ? 'yellow' : 'red';
  return [
    {
      text: `     ${effects[effect]}: ${where}${what}${classed}, ${shortTime(firstAt)}${often}`,
      style: styled,
    },
    { text: `       ${remedy}`, style: effect === 'noted' ? 'dim' : null },
  ];
}

/** To the second, in UTC. */
function shortTime(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)}Z`;
}
