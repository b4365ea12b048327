import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { standInLibrary } from '../test/support/nvml-library.ts';
import { textTable } from '../src/cli/text-table.ts';
import { describeError } from '../src/lib/errors.ts';
import type { Subject } from './agent-under-test.ts';
import { budgets } from './budgets.ts';
import { choices } from './choices.ts';
import { faults } from './faults.ts';
import { listMaking } from './list-making.ts';
import { measurements } from './measurements.ts';
import { memory } from './memory.ts';
import { runFigure, type Figure } from './run-figures.ts';
import { summarize } from './statistics.ts';

/**
 * Measures the agent as the image ships it, one file run by Node, with eight GPUs. `npm run bench -- --help`
 */
const { values: options } = parseArgs({
  options: {
    driver: { type: 'string', default: 'nvml' },
    only: { type: 'string', default: '' },
    beside: { type: 'string', default: '' },
    checkout: { type: 'boolean', default: false },
    output: { type: 'string', default: 'text' },
    help: { type: 'boolean', default: false },
  },
});

const usage = `npm run bench -- [options]
  --driver nvml|simulated   nvml: a stand-in libnvidia-ml compiled here, needs Go and gcc (default); simulated: neither
  --only TEXT               only the figures whose name holds TEXT
  --beside FILE             measure another program, such as an earlier dist/slicewise.cjs, in turns with this one
  --checkout                measure the sources instead of the bundle
  --output text|json
`;

async function chooseDriver(): Promise<readonly string[]> {
  if (options.driver === 'nvml') {
    const library = await standInLibrary();
    if ('path' in library) return ['--device-discovery-strategy', 'nvml', '--nvml-library', library.path];
    process.stderr.write(`bench: no stand-in library (${library.missing}); measuring with simulated GPUs\n`);
  }
  return ['--device-discovery-strategy', 'simulated', '--scenario', 'a100x8'];
}

function buildBundle(root: string): string {
  if (options.checkout) return `${root}/src/main.ts`;
  execFileSync(process.execPath, [`${root}/scripts/bundle.ts`, `${root}/dist`], { stdio: 'inherit' });
  return `${root}/dist/slicewise.cjs`;
}

/** What a Node that does nothing takes here and now: the floor, and a measure of the machine's mood. */
function bareNodeMs(): number {
  const startedMs = performance.now();
  execFileSync(process.execPath, ['-e', '0']);
  return performance.now() - startedMs;
}

async function main(): Promise<void> {
  if (options.help) {
    process.stdout.write(usage);
    return;
  }
  const figures = [...measurements, ...faults, ...listMaking, ...choices, ...memory];
  const wanted = figures.filter(({ name }) => name.toLowerCase().includes(options.only.toLowerCase()));
  if (wanted.length === 0) {
    process.stderr.write(`bench: no figure has "${options.only}" in its name:\n`);
    for (const { name } of figures) process.stderr.write(`  ${name}\n`);
    process.exitCode = 2;
    return;
  }
  const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
  const driverArgs = await chooseDriver();
  const subjectOf = (script: string): Subject => ({
    program: { executable: process.execPath, options: [], script },
    driverArgs,
    env: process.env,
  });
  const own = subjectOf(buildBundle(root));
  const contestants =
    options.beside === ''
      ? [{ of: '', subject: own }]
      : [
          { of: 'this', subject: own },
          { of: 'beside', subject: subjectOf(resolve(options.beside)) },
        ];
  const bare = Array.from({ length: 20 }, bareNodeMs);
  const results: Figure[] = [{ name: 'bare Node: exec → exit', unit: 'ms', of: '', ...summarize(bare) }];
  const load = loadavg()[0] ?? 0;
  // Some figures take minutes: what is known is told as soon as it is.
  const tell = (text: string): void => void process.stderr.write(`bench: ${text}\n`);
  tell(`${wanted.length} figures, load ${load.toFixed(1)}`);
  for (const figure of wanted) {
    try {
      results.push(...(await runFigure(figure, contestants, tell)));
    } catch (thrown) {
      tell(`${figure.name} failed: ${describeError(thrown)}`);
      process.exitCode = 1;
    }
  }
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}, load ${load.toFixed(1)} at the start, ${driverArgs.join(' ')}`;
  if (options.output === 'json') {
    process.stdout.write(`${JSON.stringify({ machine, results }, null, 2)}\n`);
    return;
  }
  const format = (value: number): string => value.toFixed(2);
  const rows = results.map(({ name, of, unit, runs, min, median, p99 }) => {
    const { budget, goal } = budgets[name] ?? { budget: '', goal: '' };
    const title = of === '' ? name : `${name} (${of})`;
    return [title, unit, String(runs), format(min), format(median), format(p99), budget, goal];
  });
  process.stdout.write(`${machine}\n\n`);
  process.stdout.write(
    textTable([['figure', 'unit', 'runs', 'min', 'median', 'p99', 'budget', 'goal'], ...rows]),
  );
}

await main();
