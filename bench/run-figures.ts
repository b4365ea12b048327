import type { Subject } from './agent-under-test.ts';
import type { Measurement, Values } from './measurements.ts';
import { summarize, type Summary } from './statistics.ts';

/** One line of the result. */
export interface Figure extends Summary {
  /** As in `budgets`. */
  readonly name: string;
  readonly unit: string;
  /** Which of the programs side by side it is of; empty when there is one alone. */
  readonly of: string;
}

/** A program to be measured, and what it is called beside another one. */
export interface Contestant {
  readonly of: string;
  readonly subject: Subject;
}

/**
 * Measures one figure of all programs, value by value in turns, so that they have the same machine.
 * @param tell hears at the end what came out, long before the whole run is over
 */
export async function runFigure(
  { name, unit, runs, parts = [], measure }: Measurement,
  contestants: readonly Contestant[],
  tell: (text: string) => void,
): Promise<readonly Figure[]> {
  const startedMs = performance.now();
  const running = contestants.map(({ of, subject }) => ({
    of,
    values: measure(subject, runs),
    columns: new Map<string, number[]>(),
  }));
  try {
    for (let isOver = false; !isOver;) {
      for (const { values, columns } of running) {
        const next = await values.next();
        if (next.done === true) isOver = true;
        else record(columns, name, parts, next.value);
      }
    }
  } finally {
    for (const { values } of running) await values.return(undefined);
  }
  const figures = running.flatMap(({ of, columns }) =>
    [...columns].map(([title, values]) => ({ name: title, unit, of, ...summarize(values) })),
  );
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  for (const { name: title, of, median, p99, runs: count } of figures)
    tell(
      `${title}${of === '' ? '' : ` (${of})`}: median ${median.toFixed(2)}, p99 ${p99.toFixed(2)} ${unit}, ${count} runs in ${seconds} s`,
    );
  return figures;
}

function record(
  columns: Map<string, number[]>,
  name: string,
  parts: readonly string[],
  values: number | Values,
): void {
  for (const [index, value] of (typeof values === 'number' ? [values] : values).entries()) {
    const part = parts[index];
    const title = part === undefined ? name : `${name}: ${part}`;
    const column = columns.get(title);
    if (column === undefined) columns.set(title, [value]);
    else column.push(value);
  }
}
