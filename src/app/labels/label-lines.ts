/** One label a line, `name=value`, as a feature file of node-feature-discovery has them. */
export function labelLines(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
