import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeNode } from '../../src/allocation/status/describe-node.ts';
import { runStatusCommand } from '../../src/cli/status.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { serveStatus } from '../../src/status/serve-status.ts';
import { findStatusSockets, statusFolder } from '../../src/status/status-socket.ts';
import { History } from '../allocation/holdings/history.ts';
import { nodeFacts } from '../allocation/status/node-facts.ts';
import { shortFolder } from '../support/short-folder.ts';
import { fakeTerminal } from './fake-terminal.ts';

const idle = describeNode(nodeFacts(History.settled()));

async function run(args: readonly string[], env: Terminal['env'] = {}) {
  const { terminal, close } = fakeTerminal({ env });
  const code = await runStatusCommand(args, terminal);
  return { code, ...(await close()) };
}

/** An agent whose state folder this is. */
async function serve(stateDir: string): Promise<AsyncDisposable> {
  const stop = new AbortController();
  const folder = statusFolder(stateDir);
  const deps = { status: () => idle, clock: systemClock, log: silentLog() };
  const served = serveStatus(folder, deps, stop.signal);
  while ((await findStatusSockets(folder).catch(() => [])).length === 0) await systemClock.sleep(5);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await served;
    },
  };
}

describe('slicewise status', () => {
  it('asks the agent of the flag, of the variable or of the file, in this order', async () => {
    const base = await shortFolder();
    const [state, empty] = [join(base, 'state'), join(base, 'empty')];
    const file = join(base, 'config.yaml');
    await writeFile(file, JSON.stringify({ version: 'v1', flags: { agent: { stateDir: state } } }));
    await using _ = await serve(state);
    const codes = await Promise.all([
      run(['--state-dir', state], { SLICEWISE_STATE_DIR: empty }),
      run([], { SLICEWISE_STATE_DIR: state, CONFIG_FILE: join(base, 'none.yaml') }),
      run(['--config-file', file]),
      run([], { CONFIG_FILE: file }),
      run(['--state-dir', empty, '--config-file', file]),
    ]);
    expect(codes.map(({ code }) => code)).toEqual([0, 0, 0, 0, 1]);
    expect(codes[0].stdout).toContain('Slicewise 0.1.0 serves this node; the GPUs were read 2 s ago.');
  });

  it('--output json prints one document', async () => {
    const base = await shortFolder();
    await using _ = await serve(base);
    const { code, stdout } = await run(['--state-dir', base, '--output', 'json']);
    expect([code, JSON.parse(stdout)]).toEqual([0, idle]);
  });

  it('says which path it tried, and what to do, when no agent runs', async () => {
    const base = await shortFolder();
    await mkdir(join(base, 'run'));
    const { code, stdout, stderr } = await run(['--state-dir', base]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(
      `slicewise status: No agent runs here: there is no socket of one in ${base}/run.`,
    );
    expect(stderr).toContain('kubectl exec');
  });

  it.each<[string, readonly string[], Terminal['env'], string]>([
    ['another output', ['--output', 'yaml'], {}, 'Allowed choices are text, json'],
    ['another flag', ['--verbose'], {}, "unknown option '--verbose'"],
    ['an argument', ['gpu'], {}, 'too many arguments'],
    ['a wrong variable', [], { SLICEWISE_STATE_DIR: 'a\0b' }, 'SLICEWISE_STATE_DIR'],
  ])('refuses %s', async (_, args, env, message) => {
    const { code, stderr } = await run(args, env);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it('has help', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('--state-dir <path>');
    expect(stdout).toContain('Exit codes: 0 shown, 1 no agent answers, 2 wrong use.');
  });
});
