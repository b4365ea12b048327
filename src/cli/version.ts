import { Option } from 'commander';
import { commit, version } from '../lib/version.ts';
import { createParser, parseWith } from './commander.ts';
import type { RunCommand } from './terminal.ts';

/** `slicewise version`, or `slicewise --version`: says which program this is. */
export const runVersionCommand: RunCommand = async (args, terminal) => {
  const parser = createParser('slicewise version', terminal)
    .description('Says which version this is, the commit that it was built from, and the Node that runs it.')
    .addOption(new Option('--output <format>').choices(['text', 'json']).default('text'))
    .action(() => {});
  const code = await parseWith(parser, args);
  if (code !== null) return code;
  const { output } = parser.opts<{ readonly output: 'text' | 'json' }>();
  const { nodeVersion: node } = terminal;
  const text = `slicewise ${version} (${commit === null ? '' : `commit ${commit}, `}Node ${node})`;
  terminal.stdout.write(`${output === 'json' ? JSON.stringify({ version, commit, node }) : text}\n`);
  return 0;
};
