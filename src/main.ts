#!/usr/bin/env node
import { runCli } from './cli/cli.ts';

/**
 * The only file, beside the NVML host, that touches `process`: arguments, environment and signals go in, an exit code
 * comes out.
 */
async function main(): Promise<void> {
  const [command, ...rest] = process.argv.slice(2);
  if (command === 'nvml-host') {
    const { runNvmlHost } = await import('./inventory/nvml/host.ts');
    await runNvmlHost(rest);
    return;
  }
  // A reader that has seen enough, as in `slicewise config print | head`, is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const) process.once(name, () => stop.abort(name));
  // The config file is followed anyway; the signal that NVIDIA's plugin reads it anew on must not end this one.
  process.on('SIGHUP', () => undefined);
  process.exitCode = await runCli(process.argv.slice(2), {
    env: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
    self: { executable: process.execPath, script: process.argv[1] ?? '', options: process.execArgv },
    nodeVersion: process.versions.node,
    signal: stop.signal,
  });
}

main().catch((thrown: unknown) => {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  // One line, as the log's: whoever reads the log of a thousand nodes finds it there.
  process.stderr.write(`${JSON.stringify({ level: 'fatal', msg: error.message, stack: error.stack })}\n`);
  process.exit(1);
});
