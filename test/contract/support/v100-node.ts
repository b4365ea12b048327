import { join } from 'node:path';

/** The scenario of a node with four V100. */
export const good = { name: 'node', preset: 'v100x4' };

/** The scenario as the file `node.yaml` of an agent's folder, and the arguments that name it. */
export const files = { 'node.yaml': good };
export const args = (folder: string): readonly string[] => [
  '--device-discovery-strategy',
  'simulated',
  '--scenario',
  join(folder, 'node.yaml'),
];
