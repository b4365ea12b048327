import { Option } from 'commander';
import { labelLines } from '../app/label-lines.ts';
import { driverSettings } from '../app/settings.ts';
import { snapshotLabels } from '../app/snapshot-labels.ts';
import type { Config } from '../config/config.ts';
import { configFilePath, loadConfig } from '../config/load.ts';
import { renderProblems } from '../config/problem.ts';
import { readConfigText } from '../config/read-file.ts';
import { openDriver } from '../inventory/open-driver.ts';
import { systemClock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { addAgentOptions, doubleDashes, type RawFlags } from './agent-options.ts';
import { createParser, parseWith } from './commander.ts';
import type { RunCommand, Terminal } from './terminal.ts';

/** `slicewise labels`: prints the labels of this node, without Kubernetes. */
export const runLabelsCommand: RunCommand = async (args, terminal) => {
  const parser = createParser('slicewise labels', terminal)
    .description(
      "Reads this node's GPUs and prints the labels that the agent would give the node with the same flags, environment and file.",
    )
    .addOption(
      new Option('--output <format>', 'text is one name=value a line')
        .choices(['text', 'json'])
        .default('text'),
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 printed, 1 the GPUs cannot be read, 2 wrong use or config. What each label means: docs/labels.md.\n',
    )
    .action(() => {});
  const flags = addAgentOptions(parser);
  const code = await parseWith(parser, doubleDashes(args));
  if (code !== null) return code;
  const config = await load(flags, terminal);
  if (config === null) return 2;
  const { output } = parser.opts<{ readonly output: 'text' | 'json' }>();
  try {
    const labels = await readLabels(config, terminal);
    terminal.stdout.write(output === 'json' ? `${JSON.stringify(labels, null, 2)}\n` : labelLines(labels));
    return 0;
  } catch (thrown) {
    terminal.stderr.write(
      `slicewise labels: the GPUs of this node cannot be read: ${describeError(thrown)}\n`,
    );
    return 1;
  }
};

/** `null` when something is wrong with it, which has been said. */
async function load(flags: RawFlags, { env, stderr }: Terminal): Promise<Config | null> {
  const path = configFilePath({ flags, env });
  try {
    const file = path === null ? null : { path, text: await readConfigText(path) };
    const loaded = await loadConfig({ flags, env, file });
    if (loaded.kind === 'ok') return loaded.config;
    stderr.write(`slicewise labels: ${renderProblems(loaded.problems).join('\n  ')}\n`);
  } catch (thrown) {
    stderr.write(`slicewise labels: ${describeError(thrown)}\n`);
  }
  return null;
}

async function readLabels(config: Config, { self }: Terminal): Promise<Readonly<Record<string, string>>> {
  await using driver = openDriver(
    { ...driverSettings(config), self },
    { clock: systemClock, log: silentLog() },
  );
  return snapshotLabels(await driver.snapshot(), config);
}
