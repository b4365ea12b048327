/** Labels by name, `nvidia.com/` included, in order of name. */
export type Labels = Readonly<Record<string, string>>;

/** The domain of all labels here. */
const labelDomain = 'nvidia.com/';

/** What Kubernetes takes as a label's value, or as its name after the slash. */
const longest = 63;
const namePattern = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/**
 * A text as a legal label value: blanks become `-`, what is not allowed goes, and so does what is too long; the suffixes stay whole.
 * Empty where nothing is left. GPU Feature Discovery writes the same where the text is short enough (internal/lm/resource.go).
 */
export function labelValue(text: string, suffixes: readonly string[] = []): string {
  const end = suffixes.map((suffix) => `-${clean(suffix)}`).join('');
  return trim(`${trim(clean(text).slice(0, Math.max(0, longest - end.length)))}${end}`.slice(0, longest));
}

/** True for what can stand after the slash of a label's name. */
function isLabelName(text: string): boolean {
  return namePattern.test(text);
}

/** Labels in order, without those whose name Kubernetes would not take. */
export function toLabels(entries: readonly (readonly [name: string, value: string])[]): Labels {
  const legal = entries.filter(([name]) => isLabelName(name));
  return Object.fromEntries(
    legal
      .map(([name, value]) => [`${labelDomain}${name}`, value] as const)
      .toSorted(([one], [other]) => (one < other ? -1 : Number(one > other))),
  );
}

function clean(text: string): string {
  return text
    .trim()
    .replaceAll(/\s+/g, '-')
    .replaceAll(/[^-A-Za-z0-9_.]/g, '');
}

function trim(text: string): string {
  const start = text.search(/[A-Za-z0-9]/);
  if (start < 0) return '';
  let end = text.length;
  while (!/[A-Za-z0-9]/.test(text[end - 1] ?? '')) end -= 1;
  return text.slice(start, end);
}
