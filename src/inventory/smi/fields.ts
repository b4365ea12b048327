/** What nvidia-smi prints for one figure: a value, nothing, or a fault of the whole GPU. */
export type Field =
  | { readonly kind: 'value'; readonly text: string }
  | { readonly kind: 'silent' }
  | { readonly kind: 'unknown-error'; readonly text: string }
  | { readonly kind: 'fault'; readonly text: string };

/** Reads a figure as `-q` (`N/A`) or `--query-gpu` (`[N/A]`) prints it; an absent one is silent. */
export function readField(raw: string | undefined): Field {
  const text = (raw ?? '')
    .trim()
    .replace(/^\[(.*)\]$/, '$1')
    .trim();
  const known = text.toLowerCase();
  if (silentWords.has(known)) return { kind: 'silent' };
  if (known === 'unknown error' || known === 'err!' || known === 'error')
    return { kind: 'unknown-error', text };
  if (known.startsWith('gpu is lost') || known.startsWith('gpu requires reset'))
    return { kind: 'fault', text };
  return { kind: 'value', text };
}

/** The text, or null where there is no value. */
export function readText(raw: string | undefined): string | null {
  const field = readField(raw);
  return field.kind === 'value' ? field.text : null;
}

/** `81559 MiB` as a number, or null. */
export function readMiB(raw: string | undefined): number | null {
  const text = readText(raw);
  const match = text === null ? null : /^(\d{1,9}) Mi?B$/.exec(text);
  return match === null ? null : Number(match[1]);
}

/** A whole number, or null. */
export function readCount(raw: string | undefined): number | null {
  const text = readText(raw);
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : null;
}

/** A GPU's UUID, or null for anything else. */
export function readGpuUuid(raw: string | undefined): string | null {
  const text = readText(raw);
  return text !== null && /^GPU-[0-9a-fA-F-]{4,60}$/.test(text) ? text : null;
}

/** A PCI address with a domain of four to eight digits, as `00000000:1b:00.0`; null for anything else. */
export function readPciBusId(raw: string | undefined): string | null {
  const match = /^([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-9a-f])$/i.exec(raw?.trim() ?? '');
  if (match === null) return null;
  const [, domain = '', bus = '', device = '', fn = ''] = match;
  return `${domain.padStart(8, '0')}:${bus}:${device}.${fn}`.toLowerCase();
}

const silentWords: ReadonlySet<string> = new Set([
  '',
  'n/a',
  'not supported',
  'not available',
  'not found',
  'no data',
  'insufficient permissions',
  'requested functionality has been deprecated',
]);
