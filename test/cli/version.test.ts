import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli } from '../../src/cli/cli.ts';
import { fakeTerminal } from './fake-terminal.ts';

async function run(...argv: readonly string[]) {
  const { terminal, close } = fakeTerminal();
  const code = await runCli(argv, terminal);
  return { code, ...(await close()) };
}

async function readText(name: string): Promise<string> {
  return readFile(new URL(`../../${name}`, import.meta.url), 'utf8');
}

const { version } = JSON.parse(await readText('package.json')) as { readonly version: string };

describe('slicewise version', () => {
  it.each([['version'], ['--version'], ['-V']])('%s', async (name) => {
    const text = `slicewise ${version} (Node 24.0.0)\n`;
    expect(await run(name)).toEqual({ code: 0, stdout: text, stderr: '' });
    const { stdout } = await run(name, '--output=json');
    expect(JSON.parse(stdout)).toEqual({ version, commit: null, node: '24.0.0' });
  });

  it('refuses what it does not know', async () => {
    expect(await run('--version', '--output=xml')).toMatchObject({ code: 2, stdout: '' });
  });
});

it('image and chart have the version of the program', async () => {
  expect(/^ARG VERSION=(.*)$/m.exec(await readText('Dockerfile'))?.[1]).toBe(version);
  const chart = parse(await readText('charts/slicewise/Chart.yaml')) as Readonly<Record<string, unknown>>;
  expect(chart['appVersion']).toBe(version);
});
