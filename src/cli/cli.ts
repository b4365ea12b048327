import type { ExitCode, RunCommand, Terminal } from './terminal.ts';

interface CommandEntry {
  readonly summary: string;
  /** Commands are loaded one by one, so that the agent does not pay for the demo at start. */
  readonly load: () => Promise<RunCommand>;
}

/** Every command of the program. */
const commands: Readonly<Record<string, CommandEntry>> = {
  agent: {
    summary: 'serve the GPUs of this node to the kubelet',
    load: async () => (await import('./agent.ts')).runAgentCommand,
  },
  status: {
    summary: "show this node's GPUs and who holds them",
    load: async () => (await import('./status.ts')).runStatusCommand,
  },
  health: {
    summary: 'how the GPUs of this node are, and what is to be done',
    load: async () => (await import('./health.ts')).runHealthCommand,
  },
  driver: {
    summary: 'close the driver for a while, so that a GPU can be reset',
    load: async () => (await import('./driver.ts')).runDriverCommand,
  },
  labels: {
    summary: "print this node's labels",
    load: async () => (await import('./labels.ts')).runLabelsCommand,
  },
  cdi: {
    summary: 'describe the GPUs of a machine without Kubernetes to Docker and Podman',
    load: async () => (await import('./cdi.ts')).runCdiCommand,
  },
  demo: {
    summary: 'see the agent work on a simulated node, without a GPU',
    load: async () => (await import('./demo.ts')).runDemoCommand,
  },
  config: {
    summary: 'check a config file, print the effective config or its JSON Schema',
    load: async () => (await import('./config.ts')).runConfigCommand,
  },
  orphans: {
    summary: 'containers that the kubelet has lost: list them, or say that they have ended',
    load: async () => (await import('./orphans.ts')).runOrphansCommand,
  },
  version: {
    summary: 'which version this is',
    load: async () => (await import('./version.ts')).runVersionCommand,
  },
};

/** Runs one command line and returns its exit code. */
export async function runCli(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const [first, ...args] = argv;
  const name = first === '--version' || first === '-V' ? 'version' : first;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.stdout.write(usage());
    return name === undefined ? 2 : 0;
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (entry === undefined) {
    terminal.stderr.write(`slicewise: there is no command '${name}'.\n\n${usage()}`);
    return 2;
  }
  const run = await entry.load();
  return run(args, terminal);
}

function usage(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const rows = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    'Slicewise: a Kubernetes device plugin for NVIDIA GPUs.',
    '',
    'Usage: slicewise <command> [options]',
    '',
    ...rows,
    '',
    "Run 'slicewise <command> --help' for the options of a command.",
    '',
  ].join('\n');
}
