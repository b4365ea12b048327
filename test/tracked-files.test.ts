import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What has no place in a finished file. Each pattern is written so that it does not find itself. */
const unfinished: Readonly<Record<string, RegExp>> = {
  'a path of one machine': /(?<![\w.})-])[/](work|root)[/]/,
  'the host of a package registry':
    /registry[.](npmjs|yarnpkg)[.](org|com)|proxy[.]golang[.]org|(deb|security)[.]debian[.]org|pypi[.]org/i,
  'a loose end': /\b(FIXM[E]|XX[X]|HAC[K])\b|\bTOD[O]\b(?![(]\w)/,
  'a halted debugger': /^\s*debugge[r];/,
  'a single test that keeps the others from running': /\b(test|it|describe)[.]onl[y]\b/,
};

function findUnfinished(text: string): string[] {
  const lines = text.split('\n');
  return Object.entries(unfinished).flatMap(([what, pattern]) =>
    lines.flatMap((line, at) => (pattern.test(line) ? [`${at + 1}: ${what}`] : [])),
  );
}

/** The files that git tracks; `null` where there is no repository. */
function listTracked(): string[] | null {
  try {
    const command = ['-c', 'safe.directory=*', 'ls-files', '-z'];
    const listing = execFileSync('git', command, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return listing.split('\0').filter((path) => path !== '');
  } catch {
    return null;
  }
}

/** The text as it lies there now; nothing for a file that was removed and is not yet committed so. */
function readTracked(path: string): string {
  try {
    return readFileSync(`${root}/${path}`, 'utf8');
  } catch {
    return '';
  }
}

test('no tracked file names a machine, a registry or a loose end', ({ skip }) => {
  const tracked = listTracked();
  if (tracked === null) return skip('this is no git checkout, so the tracked files are not known');
  const found = tracked
    .filter((path) => path !== 'package-lock.json' && !path.startsWith('test/inventory/captures/'))
    .map((path) => ({ path, text: readTracked(path) }))
    .filter(({ text }) => !text.includes('\0'))
    .flatMap(({ path, text }) => findUnfinished(text).map((what) => `${path}:${what}`));
  expect(tracked).toContain('package.json');
  expect(found.join('\n')).toBe('');
});

test.each([
  ['cd /wo!rk/main', 'a path of one machine'],
  ['"/ro!ot/.cache"', 'a path of one machine'],
  ['https://registry.npm!js.org/x', 'the host of a package registry'],
  ['GOPROXY=https://proxy.go!lang.org', 'the host of a package registry'],
  ['// TO!DO: later', 'a loose end'],
  ['// TO!DO() later', 'a loose end'],
  ['# FIX!ME', 'a loose end'],
  ['/* XX!X */', 'a loose end'],
  ['  debug!ger;', 'a halted debugger'],
  ["test.on!ly('x', f)", 'a single test that keeps the others from running'],
])('a planted loose end is found: %s', (text, what) => {
  expect(findUnfinished(`fine\n${text.replace('!', '')}\n`)).toEqual([`2: ${what}`]);
});

test.each([
  'TO!DO(anna): later',
  'mktemp /tmp/x.XX!XXXX',
  'network/work.ts',
  '/driver-root/lib',
  'src/wo!rk/x.ts',
])('a harmless word is left alone: %s', (text) => {
  expect(findUnfinished(text.replace('!', ''))).toEqual([]);
});
