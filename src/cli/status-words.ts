import type { UnhealthyReason } from '../allocation/status/offered-device.ts';
import type { StyledLine } from './styled-line.ts';

/** `1 GPU`, `2 GPUs`. */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** A number below the head of its column; `-` for one that is not known. */
export function alignRight(number: number | null | undefined, head: string): string {
  return String(number ?? '-').padStart(head.length);
}

/** What is known of a GPU beside what is held against it; it has no index either. */
export const unnamedLine: StyledLine = { text: '     the driver does not name it now', style: 'red' };

const reasonTexts = {
  fault: 'with a fault',
  leaving: 'leaving the node',
  'not-promised': 'not promised',
  'other-use': 'in other use',
  lingering: 'maybe still in use',
  'books-unknown': 'not known yet',
} as const satisfies Readonly<Record<UnhealthyReason, string>>;

/** Why a device is not to be had. */
export function reasonText(reason: UnhealthyReason): string {
  return reasonTexts[reason];
}

/** `2 not promised`, `1 with a fault`, … */
export function describeWithheld(
  withheld: Readonly<Partial<Record<UnhealthyReason, number>>>,
): readonly string[] {
  return (Object.keys(reasonTexts) as UnhealthyReason[]).flatMap((reason) => {
    const devices = withheld[reason] ?? 0;
    return devices === 0 ? [] : [`${devices} ${reasonText(reason)}`];
  });
}
