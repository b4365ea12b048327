import { logLevels } from '../lib/log.ts';
import { setting } from './setting.ts';
import { duration, httpAddress, oneOf, optionalPath, optionalText, path, text } from './value-kinds.ts';

const group = 'agent';

/** What only this plugin has, beside the sections of its features. */
export const agentSettings = {
  '--config-file': setting({
    group,
    flag: 'config-file',
    env: ['CONFIG_FILE'],
    inFile: false,
    kind: text('a path', /^[^\0]*$/),
    default: '',
    description: 'The config file; watched, and taken up when it changes. Empty is none.',
  }),
  'flags.agent.kubeletSocket': setting({
    group,
    flag: 'kubelet-socket',
    env: ['KUBELET_SOCKET'],
    kind: path(),
    default: '/var/lib/kubelet/device-plugins/kubelet.sock',
    description: "The kubelet's registration socket; the agent's own sockets lie beside it.",
  }),
  'flags.agent.scenario': setting({
    group,
    flag: 'scenario',
    env: ['SLICEWISE_SCENARIO'],
    kind: optionalText('the name of a preset or the path of a scenario file'),
    default: null,
    description: 'Preset or file that the simulated GPUs are made from.',
  }),
  'flags.agent.nvmlLibrary': setting({
    group,
    flag: 'nvml-library',
    env: ['SLICEWISE_NVML_LIBRARY'],
    kind: optionalPath(),
    default: null,
    description: 'The libnvidia-ml.so.1 to load; without it the usual folders are searched.',
  }),
  'flags.agent.nvidiaSmi': setting({
    group,
    flag: 'nvidia-smi',
    env: ['SLICEWISE_NVIDIA_SMI'],
    kind: optionalPath(),
    default: null,
    description: 'The nvidia-smi to run; without it the usual folders are searched.',
  }),
  'flags.agent.podResourcesSocket': setting({
    group,
    flag: 'pod-resources-socket',
    env: ['SLICEWISE_POD_RESOURCES_SOCKET'],
    kind: path(),
    default: '/var/lib/kubelet/pod-resources/kubelet.sock',
    description: "The kubelet's pod resources socket.",
  }),
  'flags.agent.stateDir': setting({
    group,
    flag: 'state-dir',
    env: ['SLICEWISE_STATE_DIR'],
    kind: path(),
    default: '/var/lib/slicewise',
    description:
      'Folder for what has to outlive a restart: containers that the kubelet has lost. Mount it from the node; made with mode 0700.',
  }),
  'flags.agent.cdiRoot': setting({
    group,
    flag: 'cdi-root',
    env: ['SLICEWISE_CDI_ROOT'],
    kind: path(),
    default: '/var/run/cdi',
    description: 'Folder that container runtimes read CDI specs from, and that ours are written to.',
  }),
  'flags.agent.sysfsRoot': setting({
    group,
    flag: 'sysfs-root',
    env: ['SLICEWISE_SYSFS_ROOT'],
    kind: path(),
    default: '/sys',
    description: 'Where sysfs is mounted.',
  }),
  'flags.agent.procfsRoot': setting({
    group,
    flag: 'procfs-root',
    env: ['SLICEWISE_PROCFS_ROOT'],
    kind: path(),
    default: '/proc',
    description: 'Where procfs is mounted.',
  }),
  'flags.agent.httpAddress': setting({
    group,
    flag: 'http-address',
    env: ['SLICEWISE_HTTP_ADDRESS'],
    kind: httpAddress(),
    default: { host: null, port: 9400 },
    description:
      'Where /metrics, /livez and /readyz are served. Port 0 lets the system choose; off serves nothing.',
  }),
  'flags.agent.logLevel': setting({
    group,
    flag: 'log-level',
    env: ['SLICEWISE_LOG_LEVEL'],
    kind: oneOf(logLevels),
    default: 'info',
    description: 'How much is logged.',
  }),
  'flags.agent.rescanInterval': setting({
    group,
    flag: 'rescan-interval',
    env: ['SLICEWISE_RESCAN_INTERVAL'],
    kind: duration(1000, 30_000),
    default: 4000,
    description: 'How often the GPUs are listed anew when nothing calls for it earlier.',
  }),
} as const;
