import { Option } from 'commander';
import { labelOnce } from '../app/labels/label-once.ts';
import { labelPlace } from '../app/labels/label-settings.ts';
import { labelLines } from '../app/labels/label-lines.ts';
import { driverSettings } from '../app/settings.ts';
import { snapshotLabels } from '../app/labels/snapshot-labels.ts';
import type { Config } from '../config/config.ts';
import { settings } from '../config/settings.ts';
import type { Driver } from '../inventory/driver.ts';
import type { Snapshot } from '../inventory/gpu.ts';
import { openDriver } from '../inventory/open-driver.ts';
import { systemClock } from '../lib/clock.ts';
import { describeError, OperatorError } from '../lib/errors.ts';
import { createLog, silentLog } from '../lib/log.ts';
import { addAgentOptions, doubleDashes } from './agent-options.ts';
import { createParser, parseWith } from './commander.ts';
import { loadGivenConfig } from './load-given-config.ts';
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
    .option(
      '--oneshot',
      'write them once where labels.output says, leave them there and print nothing (env GFD_ONESHOT)',
      false,
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 printed or written, 1 the GPUs cannot be read or the labels not be written, 2 wrong use or config. ' +
        'What each label means: docs/labels.md.\n',
    )
    .action(() => {});
  const flags = addAgentOptions(parser);
  const code = await parseWith(parser, doubleDashes(args));
  if (code !== null) return code;
  const { output, oneshot } = parser.opts<LabelsOptions>();
  const { isAsked, env } = takeOneshot(terminal.env);
  const config = await loadGivenConfig('labels', flags, { ...terminal, env });
  if (config === null) return 2;
  const place = oneshot || isAsked ? labelPlace(config) : null;
  if ((oneshot || isAsked) && place === null) {
    terminal.stderr.write(
      'slicewise labels: --oneshot needs a place: --labels-output file, or api with cluster.enabled\n',
    );
    return 2;
  }
  try {
    const labels = await readLabels(config, terminal);
    if (place === null)
      terminal.stdout.write(output === 'json' ? `${JSON.stringify(labels, null, 2)}\n` : labelLines(labels));
    else await labelOnce(place, labels, createLog('warn'), terminal.signal);
    return 0;
  } catch (thrown) {
    terminal.stderr.write(`slicewise labels: ${describeError(thrown)}\n`);
    return 1;
  }
};

interface LabelsOptions {
  readonly output: 'text' | 'json';
  readonly oneshot: boolean;
}

/** The agent refuses the variable, which is no setting of an agent's; here it means what it means to GPU Feature Discovery. */
function takeOneshot({ GFD_ONESHOT: text, ...env }: Terminal['env']): {
  readonly isAsked: boolean;
  readonly env: Terminal['env'];
} {
  const given = text === undefined ? false : settings['flags.gfd.oneshot'].kind.fromText(text, [text]);
  return typeof given === 'boolean'
    ? { isAsked: given, env }
    : { isAsked: false, env: { ...env, GFD_ONESHOT: text } };
}

async function readLabels(config: Config, { self }: Terminal): Promise<Readonly<Record<string, string>>> {
  await using driver = openDriver(
    { ...driverSettings(config), self },
    { clock: systemClock, log: silentLog() },
  );
  return snapshotLabels(await readSnapshot(driver), config);
}

/** @throws OperatorError `no-gpus` */
async function readSnapshot(driver: Driver): Promise<Snapshot> {
  try {
    return await driver.snapshot();
  } catch (cause) {
    throw new OperatorError('no-gpus', 'the GPUs of this node cannot be read', { cause });
  }
}
