import type { NodeStatus } from '../allocation/status/node-status.ts';
import { statusLines } from './status-text.ts';
import { paintLines, type StyledLine } from './styled-line.ts';
import type { OutputStream } from './terminal.ts';

/** Shows one status after the other. */
export type StatusPrinter = (status: NodeStatus) => void;

/** One document, or one a line. */
export function jsonPrinter(stdout: OutputStream, watch: boolean): StatusPrinter {
  return (status) => void stdout.write(`${JSON.stringify(status, null, watch ? 0 : 2)}\n`);
}

/** The table. With `watch` it takes the place of the one before on a terminal, and stands below it elsewhere. */
export function textPrinter(stdout: OutputStream, watch: boolean): StatusPrinter {
  let isFirst = true;
  return (status) => {
    const lines = statusLines(status, watch ? 'passes' : 'stands');
    if (watch && stdout.isTTY === true) return void stdout.write(screen(lines, stdout));
    stdout.write(`${isFirst ? '' : '\n'}${paintLines(lines, stdout)}`);
    isFirst = false;
  };
}

/** As much as fits, from the top left corner of an empty screen. */
function screen(lines: readonly StyledLine[], stdout: OutputStream): string {
  const { columns = 80, rows = 24 } = stdout;
  const room = rows - 1;
  const left = lines.length - room + 1;
  const shown: readonly StyledLine[] =
    lines.length <= room
      ? lines
      : [...lines.slice(0, room - 1), { text: `… and ${left} more lines`, style: 'dim' }];
  return `\u001b[H\u001b[2J${paintLines(shown, stdout, columns)}`;
}
