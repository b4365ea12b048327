import { Command, CommanderError } from 'commander';
import type { ExitCode, Terminal } from './terminal.ts';

/** A parser that writes to the terminal and throws instead of ending the process; subcommands inherit that. */
export function createParser(name: string, terminal: Terminal): Command {
  const width = (): number => Math.min(terminal.stdout.columns ?? 110, 140);
  return new Command(name)
    .exitOverride()
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
      outputError: (text, write) => write(`slicewise: ${text}`),
      getOutHelpWidth: width,
      getErrHelpWidth: width,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
}

/** Parses a command line and runs the action that it names; `null` when it was parsed, else how to exit: usage errors are 2. */
export async function parseWith(parser: Command, args: readonly string[]): Promise<ExitCode | null> {
  try {
    await parser.parseAsync([...args], { from: 'user' });
    return null;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
    throw thrown;
  }
}
