import type { Labels } from './label-text.ts';

/** One label a line, `name=value`, as a feature file of node-feature-discovery has them. */
export function labelLines(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
