import { toFileMap } from '../config/file-form.ts';
import { configFilePath, loadConfig, type LoadResult } from '../config/load.ts';
import { describeOrigin, renderProblems } from '../config/problem.ts';
import { readConfigText } from '../config/read-file.ts';
import { settingRows, toFileForm, type SettingKey } from '../config/settings.ts';
import { describeError } from '../lib/errors.ts';
import type { RawFlags } from './agent-options.ts';
import { printResources } from './config-resources.ts';
import type { ExitCode, Terminal } from './terminal.ts';
import { textTable } from './text-table.ts';

export type PrintFormat = 'table' | 'yaml' | 'json';

/** Prints the configuration that the agent would run with: every value and where it comes from, or what it makes of this node. */
export async function printConfig(
  flags: RawFlags,
  format: PrintFormat | 'resources',
  terminal: Terminal,
): Promise<ExitCode> {
  const path = configFilePath({ flags, env: terminal.env });
  let text: string | null;
  try {
    text = path === null ? null : await readConfigText(path);
  } catch (thrown) {
    terminal.stderr.write(`slicewise: ${describeError(thrown)}\n`);
    return 2;
  }
  const file = path === null || text === null ? null : { path, text };
  const loaded = await loadConfig({ flags, env: terminal.env, file });
  if (loaded.kind === 'invalid') {
    terminal.stderr.write(`${renderProblems(loaded.problems).join('\n')}\n`);
    return 2;
  }
  for (const note of loaded.notes) terminal.stderr.write(`Note: ${note}\n`);
  if (loaded.values['--config-dir'] !== null)
    terminal.stderr.write(
      "Note: the config that the node's label picks is left out; give that file by --config-file in place of --config-dir.\n",
    );
  if (format === 'resources') return printResources(loaded.config, terminal);
  terminal.stdout.write(await formats[format](loaded));
  return 0;
}

type Loaded = Extract<LoadResult, { kind: 'ok' }>;

const formats: Readonly<Record<PrintFormat, (loaded: Loaded) => string | Promise<string>>> = {
  table: printTable,
  yaml: printYaml,
  json: printJson,
};

function printTable(loaded: Loaded): string {
  const rows = settingRows.map(([key]) => [
    key,
    shortForm(toFileForm(key, loaded.values[key])),
    originOf(loaded, key),
  ]);
  return textTable([['SETTING', 'VALUE', 'FROM'], ...rows]);
}

function printJson(loaded: Loaded): string {
  const origins = Object.fromEntries(settingRows.map(([key]) => [key, originOf(loaded, key)]));
  return `${JSON.stringify({ config: toFileMap(loaded.values), origins }, null, 2)}\n`;
}

async function printYaml(loaded: Loaded): Promise<string> {
  const { Document, isCollection, isNode } = await import('yaml');
  const document = new Document(toFileMap(loaded.values));
  for (const [key, { inFile }] of settingRows) {
    const node: unknown = inFile ? document.getIn(key.split('.'), true) : undefined;
    const origin = originOf(loaded, key);
    if (!isNode(node) || origin === 'default') continue;
    if (isCollection(node) && node.items.length > 0) node.commentBefore = ` ${origin}`;
    else node.comment = ` ${origin}`;
  }
  return document.toString({ lineWidth: 0 });
}

function originOf({ origins }: Loaded, key: SettingKey): string {
  return describeOrigin(origins.get(key) ?? { kind: 'default' });
}

/** A value on one line: words as they are, all else as JSON. */
function shortForm(value: unknown): string {
  if (value === null) return '-';
  return typeof value === 'string' && /^[^\s"{[]+$/.test(value) ? value : JSON.stringify(value);
}
