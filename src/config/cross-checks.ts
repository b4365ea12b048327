import { dirname, resolve } from 'node:path';
import { formatMemory } from './file-values.ts';
import type { SettingKey, SettingValues } from './settings.ts';

/** A rule about several values together. */
export interface CrossCheck {
  /** The keys it reads; the first that was given is where its problem is shown. */
  readonly keys: readonly SettingKey[];
  /** What is wrong, or `null`. */
  readonly fault: (values: SettingValues) => string | null;
}

/** The longest address of a unix socket in bytes (sun_path without its closing zero). */
const maxSocketPathBytes = 107;

/** Names after the slash that resources of this configuration can have; of MIG profiles the longest stands for all. */
function shortResourceNames(values: SettingValues): readonly string[] {
  const sharing = values['sharing.timeSlicing'];
  const names = [
    'nvidia.com/gpu',
    ...[...values['resources.gpus'], ...values['resources.mig']].map(({ name }) => name),
    ...(values['flags.migStrategy'] === 'mixed' ? ['nvidia.com/mig-1c.7g.141gb.me.all'] : []),
    ...(sharing?.resources ?? []).flatMap(({ name, rename }) => [
      rename ?? (sharing?.renameByDefault === true ? `${name}.shared` : name),
    ]),
  ];
  return names.map((name) => name.slice(name.indexOf('/') + 1));
}

/** The longest name after the slash that no setting changes. */
function fixedName(values: SettingValues): string {
  return values['memory.enabled'] ? 'gpu-memory' : 'gpu';
}

/** Every rule about several settings. */
export const crossChecks: readonly CrossCheck[] = [
  {
    // Shown where the folder is given, and judged before any file is read: hence the one key.
    keys: ['--config-dir'],
    fault: (values) =>
      values['--config-dir'] !== null && values['--config-file'] !== ''
        ? 'there is a config file as well (--config-file, CONFIG_FILE); give the file for all nodes or the folder to pick from, not both'
        : null,
  },
  {
    keys: ['flags.agent.kubeletSocket', 'memory.enabled'],
    fault: (values) => {
      const socket = resolve(values['flags.agent.kubeletSocket']);
      const own = ownSocketPath(dirname(socket), fixedName(values));
      const longest = bytes(own) > bytes(socket) ? own : socket;
      const what =
        longest === socket ? 'the path is' : `the agent's own socket beside it, ${longest}, would be`;
      const orLess = values['memory.enabled'] ? ', or memory.enabled: false (--memory-enabled=false)' : '';
      return tooLong(longest, what, `choose a shorter folder${orLess}`);
    },
  },
  {
    keys: [
      'resources.gpus',
      'resources.mig',
      'sharing.timeSlicing',
      'flags.migStrategy',
      'flags.agent.kubeletSocket',
      'memory.enabled',
    ],
    fault: (values) => {
      const folder = dirname(resolve(values['flags.agent.kubeletSocket']));
      // A folder that is too long in any case is told above.
      if (bytes(ownSocketPath(folder, fixedName(values))) > maxSocketPathBytes) return null;
      const names = shortResourceNames(values);
      const longest = names.reduce((one, other) => (bytes(other) > bytes(one) ? other : one));
      const path = ownSocketPath(folder, longest);
      return tooLong(path, `the agent's socket for ${longest}, ${path}, would be`, 'choose a shorter name');
    },
  },
  {
    keys: ['flags.agent.podResourcesSocket'],
    fault: ({ 'flags.agent.podResourcesSocket': given }) => {
      return tooLong(resolve(given), 'the path is', 'choose a shorter one');
    },
  },
  {
    keys: ['sharing.timeSlicing', 'sharing.mps'],
    fault: ({ 'sharing.timeSlicing': timeSlicing, 'sharing.mps': mps }) => {
      const sliced = new Set(timeSlicing?.resources.map(({ name }) => name));
      const both = mps?.resources.find(({ name }) => sliced.has(name));
      return both === undefined
        ? null
        : `${both.name} stands under sharing.mps too; a resource is shared in one way`;
    },
  },
  {
    keys: ['memory.maxPerContainer', 'memory.unit', 'memory.enabled'],
    fault: (values) => {
      const most = values['memory.maxPerContainer'];
      const unit = values['memory.unit'];
      if (!values['memory.enabled'] || most === null || most >= unit) return null;
      return `${formatMemory(most)} is less than one unit of ${formatMemory(unit)} (memory.unit), so that no container could have any`;
    },
  },
  {
    keys: ['labels.output', 'flags.gfd.outputFile'],
    fault: (values) =>
      values['labels.output'] === 'file' && values['flags.gfd.outputFile'] === ''
        ? "'file' needs flags.gfd.outputFile (--output-file): the path of a feature file. slicewise labels prints the labels"
        : null,
  },
  {
    keys: ['flags.deviceDiscoveryStrategy', 'flags.agent.scenario'],
    fault: (values) =>
      values['flags.deviceDiscoveryStrategy'] === 'simulated' && values['flags.agent.scenario'] === null
        ? "'simulated' needs flags.agent.scenario (--scenario): the name of a preset or the path of a scenario file"
        : null,
  },
  {
    keys: ['health.xids'],
    fault: ({ 'health.xids': { ignore, unhealthy } }) => {
      const both = ignore.filter((xid) => unhealthy.includes(xid));
      return both.length === 0
        ? null
        : `XID ${both.join(', ')} stands under ignore and under unhealthy; keep one`;
    },
  },
];

/** `slicewise-<resource>-<8 characters>.sock` beside the kubelet's socket; a random part stands in for the real one. */
function ownSocketPath(folder: string, shortName: string): string {
  return `${folder === '/' ? '' : folder}/slicewise-${shortName}-xxxxxxxx.sock`;
}

function tooLong(path: string, what: string, remedy: string): string | null {
  const excess = bytes(path) - maxSocketPathBytes;
  if (excess <= 0) return null;
  const unit = excess === 1 ? 'byte' : 'bytes';
  return `${what} ${excess} ${unit} longer than the ${maxSocketPathBytes} that a unix socket may have; ${remedy}`;
}

function bytes(text: string): number {
  return Buffer.byteLength(text);
}
