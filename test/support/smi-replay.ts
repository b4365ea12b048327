import { readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The captures of real machines that can be played. */
export type Capture = 'h100' | 'h100-mig' | 'rtx-2080-super' | 'rtx-4080-super';

/** The path of a capture file. */
function capturePath(capture: Capture): string {
  return fileURLToPath(new URL(`../inventory/captures/${capture}.txt`, import.meta.url));
}

/** What nvidia-smi printed for the arguments in a capture; throws where the capture has no such section. */
export function readCapture(capture: Capture, ...args: readonly string[]): string {
  const { stdout, exitCode } = replay(readFileSync(capturePath(capture), 'utf8'), args);
  if (exitCode !== 0) throw new Error(`The capture ${capture} has no section for: ${args.join(' ')}`);
  return stdout;
}

/** Writes an executable `nvidia-smi` into the folder that answers from a capture; returns its path. */
export async function writeReplayProgram(folder: string, capture: Capture): Promise<string> {
  const self = fileURLToPath(import.meta.url);
  return await writeProgram(folder, `exec '${process.execPath}' '${self}' '${capturePath(capture)}' "$@"`);
}

/** Writes an executable `nvidia-smi` into the folder with the given lines of sh; returns its path. */
export async function writeProgram(folder: string, script: string): Promise<string> {
  const path = join(folder, 'nvidia-smi');
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

interface Answer {
  readonly stdout: string;
  readonly exitCode: number;
}

/** Answers like nvidia-smi on the captured machine, which has one GPU. */
function replay(capture: string, args: readonly string[]): Answer {
  const selected = args.indexOf('-i');
  if (selected >= 0) {
    if (args[selected + 1] !== '0') return { stdout: 'No devices were found\n', exitCode: 6 };
    return replay(capture, args.toSpliced(selected, 2));
  }
  const sections = readSections(capture);
  const wanted = args.join(' ');
  const section = sections.find(({ command }) => command === wanted);
  if (section !== undefined) return { stdout: section.body, exitCode: 0 };
  const query = args.find((arg) => arg.startsWith('--query-gpu='));
  const table = sections.find(({ command }) => command.startsWith('--query-gpu='));
  if (query !== undefined && table !== undefined && args.includes('--format=csv'))
    return selectColumns(table.body, query.slice('--query-gpu='.length).split(','));
  return { stdout: `Invalid combination of input arguments. ${wanted}\n`, exitCode: 2 };
}

/** Sections begin with a ruled heading that holds `# $ nvidia-smi <arguments>`. */
function readSections(capture: string): { readonly command: string; readonly body: string }[] {
  const heading = /^#{80}\n# .*\n# \$ nvidia-smi (.*)\n#{80}\n/gm;
  const found = [...capture.matchAll(heading)];
  return found.map((match, at) => {
    const start = match.index + match[0].length;
    const body = capture.slice(start, found[at + 1]?.index ?? capture.length);
    return { command: match[1] ?? '', body: `${body.trimEnd()}\n` };
  });
}

function selectColumns(table: string, fields: readonly string[]): Answer {
  const rows = table
    .trim()
    .split('\n')
    .map((line) => line.split(', '));
  const names = rows[0]?.map((name) => name.replace(/ \[.*\]$/, '')) ?? [];
  const columns = fields.map((field) => names.indexOf(field));
  const unknown = columns.indexOf(-1);
  if (unknown >= 0)
    return { stdout: `Field "${fields[unknown]}" is not a valid field to query.\n\n`, exitCode: 2 };
  const lines = rows.map((row) => columns.map((column) => row[column]).join(', '));
  return { stdout: `${lines.join('\n')}\n`, exitCode: 0 };
}

if (import.meta.main) {
  const [capture = '', ...args] = process.argv.slice(2);
  const { stdout, exitCode } = replay(readFileSync(capture, 'utf8'), args);
  process.stdout.write(stdout);
  process.exitCode = exitCode;
}
