import type { Config } from '../config/config.ts';
import { type ConfigFile, loadConfig } from '../config/load.ts';
import { compareWithNvidia } from '../config/nvidia-differences.ts';
import { renderProblems } from '../config/problem.ts';
import { readConfigText } from '../config/read-file.ts';
import { describeError } from '../lib/errors.ts';
import type { MigStrategy } from '../resources/resource-settings.ts';
import type { ExitCode, Terminal } from './terminal.ts';
import { textTable } from './text-table.ts';

/** Prints every problem of a config file, or one line that says what it does, and its notes. */
export async function checkConfig(file: Omit<ConfigFile, 'text'>, terminal: Terminal): Promise<ExitCode> {
  const { path } = file;
  const text = await readOrComplain(path, terminal);
  if (text === null) return 2;
  const loaded = await loadConfig({ flags: {}, env: {}, file: { ...file, text } });
  if (loaded.kind === 'invalid') {
    terminal.stdout.write(`${renderProblems(loaded.problems).join('\n')}\n`);
    return 2;
  }
  terminal.stdout.write(`${path} is good: ${summarize(loaded.config)}.\n`);
  for (const note of loaded.notes) terminal.stdout.write(`Note: ${note}\n`);
  return 0;
}

/** Prints what of a config file of NVIDIA's plugin would act differently here. */
export async function checkNvidiaConfig(path: string, terminal: Terminal): Promise<ExitCode> {
  const text = await readOrComplain(path, terminal);
  if (text === null) return 2;
  const compared = await compareWithNvidia({ path, text });
  if (compared.kind === 'unreadable') {
    terminal.stderr.write(`${renderProblems(compared.problems).join('\n')}\n`);
    return 2;
  }
  const { differences, offersMemory } = compared;
  const rows = differences.map(({ source, keyPath, nvidia, here }) => [source, keyPath, nvidia, here]);
  terminal.stdout.write(
    rows.length === 0
      ? `${path}: everything in it acts here as it does in NVIDIA's plugin.\n`
      : textTable([['WHERE', 'KEY', "NVIDIA'S PLUGIN", 'SLICEWISE'], ...rows]),
  );
  if (offersMemory) terminal.stdout.write(memoryNote);
  return rows.length === 0 ? 0 : 1;
}

const memoryNote =
  'Note: beside what the file says, GPUs are offered by memory as nvidia.com/gpu-memory, unless memory.enabled: false is added ' +
  "(docs/compare.md, 'New by default').\n";

async function readOrComplain(path: string, terminal: Terminal): Promise<string | null> {
  try {
    return await readConfigText(path);
  } catch (thrown) {
    terminal.stderr.write(`slicewise: ${describeError(thrown)}\n`);
    return null;
  }
}

const migTexts = {
  none: '',
  single: ', MIG instances of one shape in their place',
  mixed: ', MIG instances by their profile',
} as const satisfies Readonly<Record<MigStrategy, string>>;

function summarize({ resources, flags, sharing }: Config): string {
  const { deviceListStrategy, deviceIDStrategy, passDeviceSpecs } = flags.plugin;
  const offered = resources.gpus.map(({ name }) => name).join(', ');
  const sliced = sharing.timeSlicing?.resources.map(({ name }) => name) ?? [];
  const shared = sliced.length === 0 ? '' : `, in time slices ${[...new Set(sliced)].join(', ')}`;
  const specs = passDeviceSpecs ? ', with device nodes' : '';
  return (
    `GPUs are offered whole as ${offered}${migTexts[flags.migStrategy]}${shared}, found by ${flags.deviceDiscoveryStrategy}, and handed over by ` +
    `${deviceIDStrategy} through ${deviceListStrategy.join(' and ')}${specs}`
  );
}
