import * as z from 'zod';
import { fallbackStrategies } from './pick-config.ts';
import { setting } from './setting.ts';
import { listOf, optionalPath, optionalText, structure } from './value-kinds.ts';

const group = 'pernode';
const inFile = false;
const labelWords = 'the name of a label such as nvidia.com/device-plugin.config, or nothing';

/** Which of several config files is this node's. Names of variables and strategies are those of NVIDIA's config manager. */
export const perNodeSettings = {
  '--config-dir': setting({
    group,
    flag: 'config-dir',
    aliases: ['config-file-srcdir'],
    env: ['CONFIG_FILE_SRCDIR'],
    inFile,
    kind: optionalPath(),
    default: null,
    description:
      "Folder of config files, as a mounted ConfigMap; one is picked by the node's label. Watched. Not together with --config-file.",
  }),
  '--node-label': setting({
    group,
    flag: 'node-label',
    env: ['NODE_LABEL'],
    inFile,
    kind: structure(labelName, labelWords),
    default: 'nvidia.com/device-plugin.config',
    description:
      'The label of the node whose value is the name of its config. Empty: no label is read, and the API server is not asked.',
  }),
  '--default-config': setting({
    group,
    flag: 'default-config',
    env: ['DEFAULT_CONFIG'],
    inFile,
    kind: optionalText('the name of a config'),
    default: null,
    description: 'The config of nodes without the label.',
  }),
  '--fallback-strategies': setting<readonly (typeof fallbackStrategies)[number][]>({
    group,
    flag: 'fallback-strategies',
    env: ['FALLBACK_STRATEGIES'],
    inFile,
    kind: listOf(fallbackStrategies),
    default: [],
    description:
      'What nodes without the label get when there is no --default-config, tried in this order: the config named default, the only one there is, none (all defaults).',
  }),
} as const;

/** As Kubernetes wants a label's key: a name, with the domain that it belongs to before a slash. */
function labelName(): z.ZodType<string> {
  return z
    .string({ error: labelWords })
    .max(317, { error: labelWords })
    .regex(/^$|^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, {
      error: labelWords,
    });
}
