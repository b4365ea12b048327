import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { parseScenario } from '../../src/inventory/simulated/scenario.ts';
import { cleanEnvironment, type Ended, program, runToEnd } from './support/program.ts';

const steps = 18;
/** Those that are told on the scenario's own node, with whole GPUs. */
const gpuSteps = 8;
const escapeCode = '\u001b[';

/** Runs the body with a folder for all that the demo writes, and sees that it leaves no file and no process. */
async function inFolder(
  body: (env: Readonly<Record<string, string>>, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const left = async (): Promise<object> => ({
    files: await readdir(folder),
    processes: processesWith(folder),
  });
  try {
    await body({ TMPDIR: folder }, folder);
    expect(await left()).toEqual({ files: [], processes: [] });
  } finally {
    for (const { pid } of processesWith(folder)) process.kill(pid, 'SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}

/** Running processes with the text among their arguments, as each agent of the demo has its folder. */
function processesWith(argument: string): readonly { readonly pid: number; readonly args: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), args: readArguments(name) }))
    .filter(({ args }) => args.includes(argument));
}

function readArguments(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

interface Line {
  readonly step?: number;
  readonly ok?: boolean;
  readonly facts?: readonly string[];
  readonly gpus?: readonly { readonly id: string; readonly health: string; readonly heldBy: string }[];
  readonly summary?: { readonly passed: number; readonly failed: number };
}

function jsonLines({ stdout }: Ended): readonly Line[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

describe('the demo keeps every promise', () => {
  test.for(['a100x8', 'h100x8-nvlink', 'a100x2-mig-mixed', 'mixed-models'])('on %s', (scenario) =>
    inFolder(async (env) => {
      const ended = await runToEnd(['demo', '--scenario', scenario, '--output', 'json'], { env });
      const lines = jsonLines(ended);
      expect(lines.filter(({ ok }) => ok === false)).toEqual([]);
      expect(ended).toMatchObject({ code: 0, stderr: '' });
      const summary = lines.at(-1)?.summary;
      const told = lines.slice(0, -1);
      expect(told.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, at) => at + 1));
      expect(told.every(({ ok, facts }) => ok === true && (facts ?? []).length > 0)).toBe(true);
      expect(summary).toEqual({ passed: steps, failed: 0 });
      const { gpus } = parseScenario(`preset: ${scenario}`, scenario, scenario);
      for (const line of told.slice(0, gpuSteps))
        expect(line.gpus?.map(({ id }) => id)).toEqual(gpus.map(({ uuid }) => uuid));
    }),
  );

  test('on a scenario file with two GPUs, as plain text in a pipe', () =>
    inFolder(async (env, folder) => {
      const file = join(folder, 'two.yaml');
      await writeFile(file, 'gpus: [{ model: t4, count: 2 }]\n');
      const { code, stdout, stderr } = await runToEnd(['demo', '--scenario', file], { env });
      await rm(file);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).not.toContain(escapeCode);
      expect(stdout.match(/^✓ \d+\. /gm)).toHaveLength(steps);
      expect(stdout).not.toContain('…');
      expect(stdout.trimEnd().split('\n').at(-1)).toBe(`${steps} promises kept.`);
    }));

  test('with a table of the GPUs after each step', () =>
    inFolder(async (env) => {
      const { code, stdout } = await runToEnd(['demo', '--scenario', 'v100x4', '--watch'], { env });
      expect(code).toBe(0);
      expect(stdout).not.toContain(escapeCode);
      expect(stdout.match(/^ {2}GPU +id +health +held by$/gm)).toHaveLength(steps);
      // Once it falls off the bus, once it needs a reset.
      expect(stdout.match(/^ {2}1 +GPU-\S+ +Unhealthy +free$/gm)).toHaveLength(2);
      expect(stdout).toMatch(/^ {2}0 +GPU-\S+ +Healthy +default\/training\/main$/m);
      expect(stdout).toMatch(
        /^ {2}0 +GPU-\S+ +Healthy +default\/vision\/main 8 GiB, default\/speech\/main 8 GiB$/m,
      );
    }));

  test('on a terminal, with colours and the running step', ({ skip }) => {
    const script = ['/usr/bin/script', '/bin/script'].find((path) => existsSync(path));
    if (script === undefined) {
      const why = 'skipped: the demo on a terminal: script(1) of util-linux is not installed';
      process.stderr.write(`${why}\n`);
      skip(why);
    }
    return inFolder(async (env) => {
      const command = `'${program.executable}' '${program.script}' demo --scenario v100x4`;
      const child = spawn(script ?? '', ['-qec', command, '/dev/null'], {
        env: { ...cleanEnvironment(), ...env, TERM: 'xterm-256color' },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
      expect(code).toBe(0);
      expect(stdout).toContain(`\u001b[36m…\u001b[39m 1/${steps}  The agent finds the GPUs`);
      expect(stdout).toContain('\u001b[1A\u001b[0J');
      // What takes longer says why, and is gone when it is over.
      expect(stdout).toContain('this takes some 5 s: ');
      expect(stdout).toContain('\u001b[2A\u001b[0J');
      expect(stdout.split('\u001b[32m✓\u001b[39m')).toHaveLength(steps + 1);
      expect(stdout).toContain(`${steps} promises kept.`);
    });
  });
});

describe('the demo fails', () => {
  test('with code 1, the step and the reason when a promise is broken', () =>
    inFolder(async (env, folder) => {
      const file = join(folder, 'lossy.yaml');
      await writeFile(file, 'preset: v100x4\ntimeline: [{ at: 0s, do: lose, gpu: 1 }]\n');
      const json = await runToEnd(['demo', '--scenario', file, '--output', 'json'], { env });
      const plain = await runToEnd(['demo', '--scenario', file], { env });
      await rm(file);
      expect([json.code, plain.code]).toEqual([1, 1]);
      const [step, summary, ...more] = jsonLines(json);
      expect(step).toMatchObject({ step: 1, ok: false, promise: 'every GPU of the node is found' });
      expect(step?.facts?.[0]).toBe('the agent counts 3 GPUs of 4');
      expect(summary?.summary).toEqual({ passed: 0, failed: 1 });
      expect(more).toEqual([]);
      expect(plain.stdout).toMatch(/^✗ 1\. .*\n {5}broken: every GPU of the node is found\n/m);
      expect(plain.stdout).toMatch(/^0 promises kept, 1 broken\.$/m);
    }));

  test.for([
    {
      what: 'no such preset or file',
      args: ['--scenario', 'nope'],
      reason: /The scenario nope is neither a preset nor a file/,
    },
    {
      what: 'one GPU',
      args: ['--scenario', 't4x1'],
      reason: /The scenario t4x1 has 1 GPU; the demo needs 2 or more/,
    },
    { what: 'an unknown option', args: ['--foo'], reason: /unknown option '--foo'/ },
    {
      what: 'an unknown format',
      args: ['--output', 'xml'],
      reason: /xml is not allowed; allowed: text, json/,
    },
  ])('with code 2 on wrong use: $what', ({ args, reason }) =>
    inFolder(async (env) => {
      const { code, stderr } = await runToEnd(['demo', ...args], { env });
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(reason) });
    }),
  );

  test('with code 2 and all errors of a scenario file', () =>
    inFolder(async (env, folder) => {
      const file = join(folder, 'wrong.yaml');
      await writeFile(file, 'gpus: [{ model: gtx-1 }]\nfoo: 1\n');
      const { code, stderr } = await runToEnd(['demo', '--scenario', file], { env });
      await rm(file);
      expect(code).toBe(2);
      expect(stderr).toContain('gpus[0].model: "gtx-1" is not allowed');
      expect(stderr).toContain('foo: 1: unknown key');
    }));
});

describe('the demo, interrupted in the middle, leaves nothing behind', () => {
  test.for([
    { what: 'a SIGTERM to it alone', signal: 'SIGTERM', group: false },
    { what: 'Ctrl-C on its terminal, which all its processes get', signal: 'SIGINT', group: true },
  ] as const)('$what', ({ signal, group }) =>
    inFolder(async (env) => {
      const child = spawn(program.executable, [program.script, 'demo', '--output', 'json'], {
        env: { ...cleanEnvironment(), ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
      });
      const said = text(child.stderr);
      const ended = once(child, 'close');
      const lines = await readLines(child, 2);
      process.kill(group ? -(child.pid ?? 0) : (child.pid ?? 0), signal);
      const [code] = await ended;
      expect({ code, stderr: await said }).toEqual({
        code: 1,
        stderr: `slicewise demo: stopped by ${signal}, before the end of the story\n`,
      });
      expect(lines.every((line) => line.includes('"ok":true'))).toBe(true);
    }),
  );
});

/** The first lines of standard output; the rest is read and dropped. */
async function readLines(child: ChildProcess, count: number): Promise<readonly string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
  if (child.stdout === null) throw new Error('There is no pipe');
  const lines: string[] = [];
  createInterface({ input: child.stdout })
    .on('line', (line) => {
      lines.push(line);
      if (lines.length === count) resolve(lines.slice());
    })
    .on('close', () => reject(new Error(`It ended after ${lines.length} lines`)));
  return promise;
}
