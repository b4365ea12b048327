import type { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { definitions, type Definition, type Definitions, type MetricKey } from './definitions.ts';

type Label<Key extends MetricKey> = Extract<keyof Definitions[Key]['labels'], string>;

interface InstrumentKinds<Labels extends string> {
  readonly counter: Counter<Labels>;
  readonly gauge: Gauge<Labels>;
  readonly histogram: Histogram<Labels>;
}

/** What values are written to: one instrument for each metric of the table. */
export type Instruments = {
  readonly [Key in MetricKey]: InstrumentKinds<Label<Key>>[Definitions[Key]['kind']];
};

/** Values that are looked up when somebody asks for them, each by writing to its instrument. */
export type Lookups = {
  readonly [Key in MetricKey]?: (instrument: Instruments[Key]) => void;
};

/**
 * Loads the metrics library and builds the instruments of the table in a registry of their own. Only the four parts in
 * use are loaded: the whole package takes ten times as long.
 */
export async function loadInstruments(
  lookups: Lookups,
): Promise<{ readonly registry: Registry; readonly instruments: Instruments }> {
  const [registryModule, counterModule, gaugeModule, histogramModule] = await Promise.all([
    import('prom-client/lib/registry.js'),
    import('prom-client/lib/counter.js'),
    import('prom-client/lib/gauge.js'),
    import('prom-client/lib/histogram.js'),
  ]);
  const registry = new registryModule.default();
  const kinds = {
    counter: counterModule.default,
    gauge: gaugeModule.default,
    histogram: histogramModule.default,
  };
  const built = Object.entries<Definition>(definitions).map(([key, definition]) => {
    const lookup = lookups[key as MetricKey] as ((instrument: object) => void) | undefined;
    const instrument: object = new kinds[definition.kind]({
      name: definition.name,
      help: definition.help,
      labelNames: Object.keys(definition.labels),
      registers: [registry],
      ...(definition.kind === 'histogram' ? { buckets: [...definition.buckets] } : {}),
      ...(lookup === undefined ? {} : { collect: (): void => lookup(instrument) }),
    });
    return [key, instrument] as const;
  });
  return { registry, instruments: Object.fromEntries(built) as unknown as Instruments };
}
