import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  countSteps,
  countVitestReport,
  nameTroubles,
  readStep,
  settleCounts,
  type Counts,
} from './ci-counts.ts';

/** A script of package.json that checks things. */
interface Runner {
  readonly script: string;
  readonly options?: readonly string[];
  /** Reads the counts from what it printed, or from the file that it was told to write. */
  count(output: string, exitCode: number): Counts;
  /** Longer than it takes; one that hangs is ended together with what it started. */
  readonly limitSeconds: number;
  /** What of it to say once more at the end, where it is looked for first. */
  readonly troubles?: () => readonly string[];
  /** What to show of each line that it prints; all of it when left out. */
  readonly show?: (line: string) => string;
}

interface Outcome {
  readonly output: string;
  readonly exitCode: number;
  /** By `performance.now()`. */
  readonly endedMs: number;
}

/** Lines that are kept back until it is their runner's turn, and said as they come from then on. */
class Words {
  #kept: string[] | null = [];

  add(line: string): void {
    if (this.#kept === null) print(line);
    else this.#kept.push(line);
  }

  sayNow(): void {
    for (const line of this.#kept ?? []) print(line);
    this.#kept = null;
  }
}

const reports = mkdtempSync(join(tmpdir(), 'ci-'));

/** One group after the other; those of a group run side by side, because the unit tests and the demo mostly wait. */
const groups: readonly (readonly Runner[])[] = [
  [
    {
      script: 'check',
      limitSeconds: 600,
      count: (_output, exitCode) => ({ passed: exitCode === 0 ? 1 : 0, failed: 0 }),
    },
    vitest('test:unit', 1200),
    { script: 'demo', options: ['--output', 'json'], limitSeconds: 300, count: countSteps, show: showStep },
  ],
  [vitest('test:contract', 1200)],
  [vitest('test:cluster', 3000)],
];

function vitest(script: string, limitSeconds: number): Runner {
  const path = join(reports, `${script.replace(':', '-')}.json`);
  const report = (): string | null => (existsSync(path) ? readFileSync(path, 'utf8') : null);
  return {
    script,
    limitSeconds,
    options: ['--reporter=default', '--reporter=json', `--outputFile.json=${path}`],
    count: () => countVitestReport(report()),
    troubles: () => nameTroubles(report()),
  };
}

/** Runs every runner, whatever became of the one before, and prints the sum as the last line. */
async function main(): Promise<void> {
  let [passed, failed] = [0, 0];
  const troubles: string[] = [];
  const ahead = startAhead(['npm', 'run', '-s', 'cluster:build']);
  try {
    for (const group of groups) {
      if (group.some(({ script }) => script === 'test:cluster')) print(await ahead);
      const running = group.map((runner) => ({ runner, words: new Words(), startedMs: performance.now() }));
      const outcomes = running.map(({ runner, words }) => run(runner, words).catch(failedToRun));
      try {
        for (const [at, { runner, words, startedMs }] of running.entries()) {
          print(`== npm run ${runner.script}`);
          words.sayNow();
          const { output, exitCode, endedMs } = (await outcomes[at]) as Outcome;
          const seconds = Math.round((endedMs - startedMs) / 1000);
          const counts = settleCounts(runner.count(output, exitCode), exitCode);
          print(
            `== ${runner.script}: ${counts.passed} passed, ${counts.failed} failed, exit code ${exitCode}, ${seconds} s`,
          );
          passed += counts.passed;
          failed += counts.failed;
          troubles.push(...(runner.troubles?.() ?? []));
        }
      } finally {
        for (const { words } of running) words.sayNow();
      }
    }
  } finally {
    rmSync(reports, { recursive: true });
  }
  for (const trouble of troubles) print(trouble);
  print(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/**
 * Builds beside the runners that mostly wait, at the lowest priority. What fails is no end: whoever needs it builds it again, and says why
 * it cannot.
 * @returns what it printed
 */
async function startAhead(command: readonly string[]): Promise<string> {
  const child = spawn('timeout', ['--kill-after=10', '3000', 'nice', '-n', '19', ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) lines.push(line);
  return ['== npm run cluster:build, meanwhile', ...lines].join('\n');
}

/** Runs a script, gives away what it prints line by line as it comes, and resolves with the whole of it at its end. */
async function run(
  { script, options = [], limitSeconds, show = (line) => line }: Runner,
  words: Words,
): Promise<Outcome> {
  const command = ['npm', 'run', '-s', script, '--', ...options];
  const child = spawn('timeout', ['--kill-after=10', `${limitSeconds}`, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  createInterface({ input: child.stderr }).on('line', (line) => words.add(line));
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    words.add(show(line));
  }
  return { output: lines.join('\n'), exitCode: await ended, endedMs: performance.now() };
}

/** Never started, or could not be followed to its end. */
function failedToRun(thrown: unknown): Outcome {
  return { output: String(thrown), exitCode: 1, endedMs: performance.now() };
}

function showStep(line: string): string {
  const step = readStep(line);
  if (step === null) return line;
  return `${step.ok ? '  ok    ' : '  FAILED'} ${step.text}`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
