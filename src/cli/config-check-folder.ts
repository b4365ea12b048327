import { join, resolve } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { pickConfig, type PickInputs } from '../config/pick-config.ts';
import { printable } from '../config/printable.ts';
import { renderProblems } from '../config/problem.ts';
import { listConfigs } from '../config/read-picked.ts';
import { describeError } from '../lib/errors.ts';
import { checkConfig } from './config-check.ts';
import type { ExitCode, Terminal } from './terminal.ts';

/** A folder of configs and what picks one of them, as the flags say it. */
export interface FolderToCheck {
  readonly configDir: string;
  /** What the label of a node says; empty for a node without it, undefined where nobody asks. */
  readonly label?: string;
  readonly defaultConfig?: string;
  readonly fallbackStrategies?: string;
}

/**
 * Checks every file of a folder as the config of some nodes, and says which of them a node gets. Not good: a file is wrong, or a node
 * that was asked about, or for which there is a rule, gets none.
 */
export async function checkConfigFolder(given: FolderToCheck, terminal: Terminal): Promise<ExitCode> {
  const rule = await readRule(given, terminal);
  if (rule === null) return 2;
  const folder = resolve(given.configDir);
  let names: readonly string[];
  try {
    names = await listConfigs(folder);
  } catch (thrown) {
    terminal.stderr.write(`slicewise: ${describeError(thrown)}\n`);
    return 2;
  }
  let worst: ExitCode = 0;
  for (const name of names)
    worst = (await checkConfig({ path: join(folder, name), isOfThisNode: true }, terminal)) || worst;
  const isAsked = given.label !== undefined || rule.defaultConfig !== null || rule.fallbacks.length > 0;
  const isPicked = tellPick({ ...rule, names, label: given.label || null }, terminal);
  return isPicked || !isAsked ? worst : 2;
}

function tellPick(inputs: PickInputs, { stdout }: Terminal): boolean {
  const { label } = inputs;
  const whose = label === null ? 'A node without the label' : `A node whose label says ${printable(label)}`;
  const picked = pickConfig(inputs);
  switch (picked.kind) {
    case 'file':
      stdout.write(`${whose} gets ${printable(picked.name)}${reasons[picked.why]}.\n`);
      return true;
    case 'empty':
      stdout.write(`${whose} gets no file, which is all defaults (fallback strategy empty).\n`);
      return true;
    case 'problem':
      stdout.write(`${whose} gets none: ${picked.message}\n`);
      return false;
  }
}

const reasons = {
  label: '',
  default: ', the default',
  named: ' by its name (fallback strategy named)',
  single: ', the only one (fallback strategy single)',
} as const;

/** `null` when a flag is wrong, which has been said. */
async function readRule(
  { configDir, defaultConfig, fallbackStrategies }: FolderToCheck,
  terminal: Terminal,
): Promise<Pick<PickInputs, 'defaultConfig' | 'fallbacks'> | null> {
  const flags = {
    'config-dir': configDir,
    ...(defaultConfig === undefined ? {} : { 'default-config': defaultConfig }),
    ...(fallbackStrategies === undefined ? {} : { 'fallback-strategies': [fallbackStrategies] }),
  };
  const loaded = await loadConfig({ flags, env: {}, file: null });
  if (loaded.kind === 'ok') {
    const { values } = loaded;
    return { defaultConfig: values['--default-config'], fallbacks: values['--fallback-strategies'] };
  }
  terminal.stderr.write(`slicewise: ${renderProblems(loaded.problems).join('\n  ')}\n`);
  return null;
}
