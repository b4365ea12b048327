import { garbage } from './garbage.ts';
import { parseHandleFailures, saysNoDevices } from './handle-failures.ts';

/**
 * Reads what `nvidia-smi --query-gpu=… --format=csv` prints: one map a GPU, from the field's name without its unit (`memory.total`)
 * to the cell as printed (`81559 MiB`). A line with another number of cells than the heading is no GPU and is left out.
 * @throws DriverError for text without a heading
 */
export function parseTable(text: string): ReadonlyMap<string, string>[] {
  const [heading = '', ...lines] = text.split('\n').filter((line) => line.trim() !== '');
  const fields = heading.split(',').map((cell) => cell.trim().replace(/ \[[^\]]{1,10}\]$/, ''));
  if (!fields.every((field) => /^[\w.]{1,120}$/.test(field))) {
    if (saysNoDevices(text) || parseHandleFailures(text).length > 0) return [];
    throw garbage('nvidia-smi --query-gpu', text, 'no table');
  }
  return lines
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .filter((cells) => cells.length === fields.length)
    .map((cells) => new Map(fields.map((field, at) => [field, cells[at] ?? ''])));
}
