import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countSteps, countVitestReport, readStep, settleCounts, type Counts } from './ci-counts.ts';

/** A program that checks things. */
interface Runner {
  readonly name: string;
  readonly command: readonly string[];
  /** Reads the counts from what it printed, or from the file that it was told to write. */
  count(output: string): Counts;
  /** What to show of each line that it prints; all of it when left out. */
  readonly show?: (line: string) => string;
}

/** Longer than any runner takes; one that hangs is ended together with what it started. */
const limitSeconds = 1200;

const folder = mkdtempSync(join(tmpdir(), 'ci-'));
const vitestReport = join(folder, 'vitest.json');

const runners: readonly Runner[] = [
  {
    name: 'tests',
    command: [
      'npm',
      '-s',
      'test',
      '--',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${vitestReport}`,
    ],
    count: () => countVitestReport(existsSync(vitestReport) ? readFileSync(vitestReport, 'utf8') : null),
  },
  {
    name: 'demo',
    command: ['npm', 'run', '-s', 'demo', '--', '--output', 'json'],
    count: countSteps,
    show: showStep,
  },
];

/** Runs every runner, whatever became of the one before, and prints the sum as the last line. */
async function main(): Promise<void> {
  let [passed, failed] = [0, 0];
  try {
    for (const runner of runners) {
      print(`== ${runner.name}: ${runner.command.slice(0, 4).join(' ')}`);
      const { output, exitCode } = await run(runner);
      const counts = settleCounts(runner.count(output), exitCode);
      print(`== ${runner.name}: ${counts.passed} passed, ${counts.failed} failed, exit code ${exitCode}`);
      passed += counts.passed;
      failed += counts.failed;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  print(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/** Runs a program, shows what it prints as it comes, and resolves with the whole of it when it has ended. */
async function run({
  command,
  show = (line) => line,
}: Runner): Promise<{ output: string; exitCode: number }> {
  const child = spawn('timeout', ['--kill-after=10', `${limitSeconds}`, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  let output = '';
  let shown = 0;
  for await (const text of child.stdout.setEncoding('utf8')) {
    output += text as string;
    const complete = output.lastIndexOf('\n') + 1;
    if (complete > shown)
      print(
        output
          .slice(shown, complete - 1)
          .split('\n')
          .map(show)
          .join('\n'),
      );
    shown = Math.max(shown, complete);
  }
  if (shown < output.length) print(show(output.slice(shown)));
  return { output, exitCode: await ended };
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
