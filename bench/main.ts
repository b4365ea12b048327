import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { standInLibrary } from '../test/support/nvml-library.ts';
import { textTable } from '../src/cli/text-table.ts';
import type { Subject } from './agent-under-test.ts';
import { budgets } from './budgets.ts';
import { choices } from './choices.ts';
import { faults } from './faults.ts';
import { measurements } from './measurements.ts';
import { memory } from './memory.ts';
import { summarize } from './statistics.ts';

/**
 * Measures the agent as the image ships it, one file run by Node, with eight GPUs. `npm run bench -- --help`
 */
const { values: options } = parseArgs({
  options: {
    driver: { type: 'string', default: 'nvml' },
    only: { type: 'string', default: '' },
    checkout: { type: 'boolean', default: false },
    output: { type: 'string', default: 'text' },
    help: { type: 'boolean', default: false },
  },
});

const usage = `npm run bench -- [options]
  --driver nvml|simulated   nvml: a stand-in libnvidia-ml compiled here, needs Go and gcc (default); simulated: neither
  --only TEXT               only the figures whose name holds TEXT
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
  const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
  const driverArgs = await chooseDriver();
  const subject: Subject = {
    program: { executable: process.execPath, options: [], script: buildBundle(root) },
    driverArgs,
    env: process.env,
  };
  const results = [
    { name: 'bare Node: exec → exit', unit: 'ms', ...summarize(Array.from({ length: 20 }, bareNodeMs)) },
  ];
  for (const { name, unit, runs, measure } of [...measurements, ...faults, ...choices, ...memory].filter(
    (each) => each.name.includes(options.only),
  )) {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${name} …`);
    const measured: number[] = [];
    for await (const value of measure(subject, runs)) measured.push(value);
    results.push({ name, unit, ...summarize(measured) });
  }
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K');
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}, ${driverArgs.join(' ')}`;
  if (options.output === 'json') {
    process.stdout.write(`${JSON.stringify({ machine, results }, null, 2)}\n`);
    return;
  }
  const format = (value: number): string => value.toFixed(2);
  const rows = results.map(({ name, unit, runs, min, median, p99 }) => {
    const { budget, goal } = budgets[name] ?? { budget: '', goal: '' };
    return [name, unit, String(runs), format(min), format(median), format(p99), budget, goal];
  });
  process.stdout.write(`${machine}\n\n`);
  process.stdout.write(
    textTable([['figure', 'unit', 'runs', 'min', 'median', 'p99', 'budget', 'goal'], ...rows]),
  );
}

await main();
