import { readFile, writeFile } from 'node:fs/promises';
import { settingJsonSchema, type JsonSchema } from '../src/config/json-schema.ts';
import { describeMissing, type Setting, type SettingGroup } from '../src/config/setting.ts';
import { settingRows } from '../src/config/settings.ts';
import { chartPage, renderChartPage } from './docs-chart.ts';
import { metricsPage, renderMetricsPage } from './docs-metrics.ts';
import { formatPage, markdownTable } from './markdown.ts';

/** Where the generated page lies. */
export const configurationPage = new URL('../docs/configuration.md', import.meta.url);

/** docs/configuration.md, made from the table of settings and the words in scripts/configuration-page.md. */
export async function renderConfigurationPage(): Promise<string> {
  const words = await readFile(new URL('configuration-page.md', import.meta.url), 'utf8');
  const page = words.replaceAll(/<!-- table: (\w+(?: \w+)*) -->/g, (_match, groups: string) =>
    table(groups.split(' ') as SettingGroup[]),
  );
  return formatPage(configurationPage, page);
}

/** The settings of some groups, with a row for each key inside of a structured value. */
function table(groups: readonly SettingGroup[]): string {
  const rows = settingRows.filter(([, { group }]) => groups.includes(group));
  if (rows.length === 0) throw new Error(`no setting is in ${groups.join(', ')}`);
  const hasFlags = rows.some(([, { env }]) => env.length > 0);
  const head = ['File key', ...(hasFlags ? ['Flag', 'Environment'] : []), 'Default', 'What it does'];
  const body = rows.flatMap(([key, setting]) => [
    settingRow(key, setting, hasFlags),
    ...innerRows(key, setting, hasFlags),
  ]);
  return markdownTable(head, body);
}

function settingRow(key: string, setting: Setting<unknown>, hasFlags: boolean): string[] {
  const { flag, aliases, env, inFile, kind, description } = setting;
  const names = flag === null ? [] : [flag, ...aliases].map((name) => code(`--${name}`));
  const missing = describeMissing(setting);
  const text = [
    description,
    ...(kind.words.length > 0
      ? [`One of ${kind.words.map(code).join(', ')}.`]
      : kind.shape === 'switch'
        ? []
        : [`Takes ${kind.expected}.`]),
    ...(missing === '' ? [] : [`**${missing[0]?.toUpperCase()}${missing.slice(1)}.**`]),
  ].join(' ');
  const given = hasFlags ? [names.join('<br>') || '–', env.map(code).join('<br>') || '–'] : [];
  return [inFile ? code(key) : '–', ...given, fileForm(kind.toFile(setting.default)), text];
}

/** Rows for the keys of maps and of lists of maps. */
function innerRows(key: string, setting: Setting<unknown>, hasFlags: boolean): string[][] {
  const describeMap = (path: string, schema: JsonSchema): string[][] => {
    const items = schema['items'] as JsonSchema | undefined;
    if (items?.['properties'] !== undefined) return describeMap(`${path}[]`, items);
    const properties = (schema['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>;
    return Object.entries(properties).flatMap(([name, inner]) => {
      const required = (schema['required'] as readonly string[] | undefined)?.includes(name) === true;
      const preset =
        inner['default'] === undefined ? (required ? 'required' : '–') : fileForm(inner['default']);
      const given = hasFlags ? ['–', '–'] : [];
      const text = typeof inner['description'] === 'string' ? inner['description'] : '';
      return [[code(`${path}.${name}`), ...given, preset, text], ...describeMap(`${path}.${name}`, inner)];
    });
  };
  return describeMap(key, settingJsonSchema(key, setting));
}

function fileForm(value: unknown): string {
  if (value === null) return '–';
  if (value === '') return 'empty';
  return code(typeof value === 'string' ? value : JSON.stringify(value));
}

function code(text: string): string {
  return `\`${text}\``;
}

/** Writes the pages, or with --check says whether those that are there are current. */
async function main(args: readonly string[]): Promise<number> {
  const pages = [
    { name: 'docs/configuration.md', file: configurationPage, page: await renderConfigurationPage() },
    { name: 'docs/metrics.md', file: metricsPage, page: await renderMetricsPage() },
    { name: 'charts/slicewise/README.md', file: chartPage, page: await renderChartPage() },
  ];
  let code = 0;
  for (const { name, file, page } of pages) {
    if (!args.includes('--check')) await writeFile(file, page);
    else if ((await readFile(file, 'utf8').catch(() => '')) !== page) {
      process.stderr.write(`${name} is not current: run node scripts/docs.ts\n`);
      code = 1;
    }
  }
  return code;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
