/** What an admin says of one GPU by an annotation of the node. */
export interface AckAnnotation {
  /** The annotation's name. */
  readonly name: string;
  readonly value: string;
  /** The GPU's UUID or its beginning, without `GPU-`, in lower case. */
  readonly gpu: string;
}

const prefix = 'slicewise.io/ack-';
/** Fewer characters could mean another GPU than the one that was looked at. */
const leastCharacters = 4;

/** Those of a node's annotations that speak of GPUs, in the order of their names. */
export function findAcks(annotations: Readonly<Record<string, string>>): readonly AckAnnotation[] {
  return Object.entries(annotations)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]) => ({ name, value, gpu: toBeginning(name.slice(prefix.length)) }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/** The GPU that is meant, of those that there are; or why that cannot be told, for a person. */
export function findMeant(
  { gpu }: AckAnnotation,
  uuids: readonly string[],
): { readonly uuid: string } | { readonly problem: string } {
  if (gpu.length < leastCharacters)
    return { problem: `it needs at least ${leastCharacters} characters of the GPU's UUID` };
  const [found, another] = uuids.filter((uuid) => toBeginning(uuid).startsWith(gpu));
  if (found === undefined) return { problem: 'no GPU of this node has a UUID that begins so' };
  if (another !== undefined) return { problem: `both ${found} and ${another} begin so` };
  return { uuid: found };
}

function toBeginning(text: string): string {
  return text.toLowerCase().replace(/^gpu-/, '');
}
