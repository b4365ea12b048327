import type { LogLine } from '../../../src/simulator/agent-process.ts';
import { gpuResource } from './pod-spec.ts';

/** Accepts what an agent says of the resource of whole GPUs; it says the same of memory, a moment before or after. */
export function ofGpus(beginning: string): (line: LogLine) => boolean {
  return ({ msg, resource }) => resource === gpuResource && msg.startsWith(beginning);
}
