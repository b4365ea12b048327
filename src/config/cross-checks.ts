import { dirname, resolve } from 'node:path';
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

/** Short names of the resources that this configuration can offer. */
const shortResourceNames: readonly string[] = ['gpu'];

export const crossChecks: readonly CrossCheck[] = [
  {
    keys: ['flags.agent.kubeletSocket'],
    fault: ({ 'flags.agent.kubeletSocket': given }) => {
      const socket = resolve(given);
      const paths = [socket, ...shortResourceNames.map((name) => ownSocketPath(dirname(socket), name))];
      const longest = paths.reduce((one, other) => (bytes(other) > bytes(one) ? other : one));
      const excess = bytes(longest) - maxSocketPathBytes;
      if (excess <= 0) return null;
      const what =
        longest === socket ? 'the path is' : `the agent's own socket beside it, ${longest}, would be`;
      return `${what} ${excess} ${excess === 1 ? 'byte' : 'bytes'} longer than the ${maxSocketPathBytes} that a unix socket may have; choose a shorter folder`;
    },
  },
  {
    keys: ['flags.agent.podResourcesSocket'],
    fault: ({ 'flags.agent.podResourcesSocket': given }) => {
      const socket = resolve(given);
      const excess = bytes(socket) - maxSocketPathBytes;
      if (excess <= 0) return null;
      return `the path is ${excess} ${excess === 1 ? 'byte' : 'bytes'} longer than the ${maxSocketPathBytes} that a unix socket may have`;
    },
  },
  {
    keys: ['sharing.timeSlicing', 'sharing.mps'],
    fault: (values) =>
      values['sharing.timeSlicing'] !== null && values['sharing.mps'] !== null
        ? 'does not go together with sharing.mps; keep one of the two'
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

function bytes(text: string): number {
  return Buffer.byteLength(text);
}
