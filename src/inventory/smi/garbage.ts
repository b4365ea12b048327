import { DriverError } from '../driver.ts';

/** The error for text that nvidia-smi cannot have meant; quotes its first line, cut at 120 characters. */
export function garbage(command: string, text: string, why: string): DriverError {
  return new DriverError('driver-failed', `${command} printed ${why}: ${firstLine(text)}`);
}

/** The first line that is not blank, in quotes and cut at 120 characters; says so where there is none. */
export function firstLine(text: string): string {
  const start = text.slice(0, 100_000).search(/\S/);
  if (start < 0) return 'nothing';
  const line =
    text
      .slice(start, start + 400)
      .split(/\r?\n/, 1)[0]
      ?.trimEnd() ?? '';
  return JSON.stringify(line.length > 120 ? `${line.slice(0, 119)}…` : line);
}
