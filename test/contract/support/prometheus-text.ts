/** Metrics as a scraper reads them. */
export interface ParsedMetrics {
  /** Type by the family's name. */
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
  /** The only sample of the name with these labels; undefined when there is none. Throws when there are several. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * Reads the text format 0.0.4 strictly: each line must be HELP, TYPE or a sample, each family is typed once and before
 * its samples, and no sample comes twice. Written for these tests, so that the format is not judged by the library that
 * makes it.
 */
export function parsePrometheusText(text: string): ParsedMetrics {
  if (!text.endsWith('\n')) throw new Error('The last line is not ended');
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const declared = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
    if (declared !== null) {
      const [, kind, name = '', rest = ''] = declared;
      if (kind !== 'TYPE') continue;
      if (types.has(name)) throw new Error(`${name} is typed twice`);
      if (!/^(counter|gauge|histogram|summary|untyped)$/.test(rest)) throw new Error(`Not a type: ${line}`);
      types.set(name, rest);
      continue;
    }
    const sample = parseSample(line);
    const family = sample.name.replace(/_(bucket|sum|count)$/, '');
    if (!types.has(sample.name) && types.get(family) !== 'histogram') throw new Error(`Not typed: ${line}`);
    const identity = JSON.stringify([sample.name, Object.entries(sample.labels).map(String).toSorted()]);
    if (seen.has(identity)) throw new Error(`Twice: ${line}`);
    seen.add(identity);
    samples.push(sample);
  }
  return {
    types,
    samples,
    value(name, labels = {}) {
      const found = samples.filter(
        (sample) =>
          sample.name === name &&
          Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
      );
      if (found.length > 1) throw new Error(`${found.length} samples of ${name} have the labels`);
      return found[0]?.value;
    },
  };
}

function parseSample(line: string): Sample {
  const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (match === null) throw new Error(`Not a sample: ${line}`);
  const [, name = '', inside = '', number = ''] = match;
  const value = number === '+Inf' ? Infinity : Number(number);
  if (Number.isNaN(value)) throw new Error(`Not a number: ${line}`);
  return { name, labels: parseLabels(inside, line), value };
}

function parseLabels(inside: string, line: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  const pair = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
  while (pair.lastIndex < inside.length) {
    const match = pair.exec(inside);
    if (match === null) throw new Error(`Not labels: ${line}`);
    labels[match[1] ?? ''] = (match[2] ?? '').replaceAll(/\\(.)/g, (_, escaped: string) =>
      escaped === 'n' ? '\n' : escaped,
    );
  }
  return labels;
}
