import { isPresetName } from '../inventory/simulated/scenario.ts';
import { describeError, OperatorError } from '../lib/errors.ts';
import { tellStory, type StoryEvent } from '../simulator/story/story.ts';
import { createParser, parseWith } from './commander.ts';
import { jsonPrinter, textPrinter, type StoryPrinter } from './demo-output.ts';
import type { ExitCode, RunCommand, Terminal } from './terminal.ts';

interface DemoOptions {
  scenario: string;
  output: string;
  watch: boolean;
}

/** `slicewise demo`: tells the story on a simulated node; 0 when every promise was kept, 1 when one was broken. */
export const runDemoCommand: RunCommand = async (args, terminal) => {
  const parser = createParser('slicewise demo', terminal)
    .description(
      'Shows the agent at work on a simulated node, with a stand-in kubelet. Needs no GPU, no cluster, no root.',
    )
    .option(
      '--scenario <name or file>',
      'the simulated node: a preset or a scenario file with two GPUs or more',
      'a100x8',
    )
    .option('--output <format>', 'text, or json: one object a line for each step, then a summary', 'text')
    .option('--watch', "show a table of the node's GPUs that follows the story", false)
    .addHelpText(
      'after',
      '\nExit codes: 0 every promise was kept, 1 one was broken, 2 wrong use or scenario.\n',
    );
  parser.action(() => {});
  const code = await parseWith(parser, args);
  if (code !== null) return code;
  const options = parser.opts<DemoOptions>();
  if (options.output !== 'text' && options.output !== 'json') {
    terminal.stderr.write(`slicewise demo: --output ${options.output} is not allowed; allowed: text, json\n`);
    return 2;
  }
  const printer =
    options.output === 'json' ? jsonPrinter(terminal.stdout) : textPrinter(terminal.stdout, options.watch);
  return tell(options.scenario, printer, terminal);
};

async function tell(scenario: string, printer: StoryPrinter, terminal: Terminal): Promise<ExitCode> {
  const ended: Extract<StoryEvent, { kind: 'ended' }>[] = [];
  try {
    printer.opening(isPresetName(scenario) ? `preset ${scenario}` : scenario);
    for await (const event of tellStory(
      { scenario, self: terminal.self, env: terminal.env },
      terminal.signal,
    )) {
      printer.event(event);
      if (event.kind === 'ended') ended.push(event);
    }
  } catch (thrown) {
    const { aborted, reason } = terminal.signal;
    const why = aborted ? `stopped by ${String(reason)}, before the end of the story` : describeError(thrown);
    terminal.stderr.write(`slicewise demo: ${why}\n`);
    return thrown instanceof OperatorError && thrown.code === 'bad-scenario' ? 2 : 1;
  }
  const broken = ended.filter(({ kept }) => !kept).length;
  printer.summary({ passed: ended.length - broken, failed: broken });
  return broken === 0 && ended.length > 0 ? 0 : 1;
}
