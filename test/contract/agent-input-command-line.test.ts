import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runToEnd } from './support/program.ts';

/** The agent's lines on standard error about what it was started with, without the heading. */
async function refusal(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  const { code, stdout, stderr } = await runToEnd(['agent', ...args], { env });
  expect({ code, stdout, stderr }).toMatchObject({ code: 2, stdout: '' });
  const [heading, ...lines] = stderr.trimEnd().split('\n');
  expect(heading).toBe('slicewise agent: wrong flags or environment');
  return lines.map((line) => line.trim());
}

describe('wrong flags and variables end the agent with code 2', () => {
  test('all of them are named at once, each with its source, key, value and what is allowed', async () => {
    const lines = await refusal(
      ['--mig-strateg', 'none', '--rescan-interval', '5h', '--http-address=1.2.3.4:99999', '--nonsense'],
      { MIG_STRATEGY: 'both', SLICEWISE_LOG_LEVEL: 'loud', SLICEWISE_LOGLEVEL: 'info' },
    );
    expect(lines.toSorted()).toEqual(
      [
        'flag --mig-strateg: there is no such flag; did you mean --mig-strategy?',
        'flag --nonsense: there is no such flag; see slicewise agent --help',
        "flag --rescan-interval: flags.agent.rescanInterval: '5h' is not allowed; allowed: a duration 1s to 30s, for example 10s or 1m30s",
        "flag --http-address: flags.agent.httpAddress: '1.2.3.4:99999' is not allowed; allowed: off, :port, host:port, [IPv6 address]:port",
        "env MIG_STRATEGY: flags.migStrategy: 'both' is not allowed; allowed: none, single, mixed",
        "env SLICEWISE_LOG_LEVEL: flags.agent.logLevel: 'loud' is not allowed; allowed: silent, error, warn, info, debug",
        'env SLICEWISE_LOGLEVEL: there is no such variable; did you mean SLICEWISE_LOG_LEVEL?',
      ].toSorted(),
    );
  });

  test('a feature that this version lacks is refused and not ignored', async () => {
    expect(await refusal(['--device-discovery-strategy', 'tegra'])).toEqual([
      "flag --device-discovery-strategy: flags.deviceDiscoveryStrategy: 'tegra' is not in this version yet; allowed now: auto, nvml, smi, simulated",
    ]);
  });

  test('simulated GPUs need a scenario', async () => {
    const [line, ...others] = await refusal(['--device-discovery-strategy', 'simulated']);
    expect(line).toContain("'simulated' needs flags.agent.scenario (--scenario)");
    expect(others).toEqual([]);
  });

  test.for([
    { path: `/tmp/${'k'.repeat(98)}/k.sock`, what: 'beside it, /tmp/kkk', excess: '31 bytes longer' },
    { path: `/tmp/${'k'.repeat(104)}`, what: 'the path is 2 bytes longer', excess: '2 bytes longer' },
  ])(
    'a kubelet socket of which a path is $excess than a unix socket may have',
    async ({ path, what, excess }) => {
      const [line, ...others] = await refusal(['--kubelet-socket', path]);
      expect(line).toMatch(/^flag --kubelet-socket: flags\.agent\.kubeletSocket: /);
      expect(line).toContain(what);
      expect(line).toContain(`${excess} than the 107`);
      expect(others).toEqual([]);
    },
  );

  test('a value that is missing, a word too many and an unknown short option are wrong use', async () => {
    for (const [args, text] of [
      [['--scenario'], "option '--scenario <value>' argument missing"],
      [['--http-address', 'off', 'serve'], "'agent' takes options only, but was given 'serve'"],
      [['-x'], "unknown option '-x'"],
    ] as const) {
      const { code, stderr } = await runToEnd(['agent', ...args]);
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(text) });
    }
  });
});

describe('the commands', () => {
  test('an unknown one is wrong use and shows those that there are', async () => {
    const { code, stdout, stderr } = await runToEnd(['agnet']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^slicewise: there is no command 'agnet'\.\n/);
    for (const name of ['agent', 'demo', 'config']) expect(stderr).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  test('none at all is wrong use', async () => {
    expect((await runToEnd([])).code).toBe(2);
  });

  test('help is no error, starts nothing and goes to standard output', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sw-'));
    try {
      const socket = join(folder, 'kubelet.sock');
      for (const args of [['--help'], ['agent', '--help', '--kubelet-socket', socket], ['demo', '--help']]) {
        const { code, stdout, stderr } = await runToEnd(args);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(stdout).toContain('Usage: slicewise');
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
