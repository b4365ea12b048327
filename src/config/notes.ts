import { cdiNotes } from './notes-cdi.ts';
import { healthNotes } from './notes-health.ts';
import type { Origin } from './problem.ts';
import type { SettingKey, SettingValues } from './settings.ts';

/** What an administrator should know of a configuration that is taken: one sentence each. */
export function configNotes(values: SettingValues, originOf: (key: SettingKey) => Origin): string[] {
  const notes: string[] = [];
  if (values['flags.plugin.deviceIDStrategy'] === 'index') {
    notes.push(
      'flags.plugin.deviceIDStrategy index cannot keep a GPU from being booked twice: when a GPU is lost, the indexes of ' +
        'those after it shift, and containers that are started again get another GPU than the one they hold. Use uuid.',
    );
  }
  if (values['flags.failOnInitError'] && originOf('flags.failOnInitError').kind !== 'default') {
    notes.push(
      'flags.failOnInitError true does not end the agent here: without a working driver it stays up, is not ready, offers ' +
        'nothing, says why, and starts as soon as the driver answers.',
    );
  }
  const strategy = values['flags.deviceDiscoveryStrategy'];
  if (values['flags.agent.scenario'] !== null && strategy !== 'simulated') {
    notes.push(
      strategy === 'auto'
        ? 'flags.agent.scenario is set: simulated GPUs stand in for the real ones of this node.'
        : `flags.agent.scenario has no effect: flags.deviceDiscoveryStrategy is ${strategy}.`,
    );
  }
  if (
    values['--config-dir'] === null &&
    (values['--default-config'] !== null || values['--fallback-strategies'].length > 0)
  )
    notes.push(
      '--default-config and --fallback-strategies have no effect without --config-dir (CONFIG_FILE_SRCDIR).',
    );
  if (values['cluster.fastStatus'] && !values['cluster.enabled'])
    notes.push('cluster.fastStatus has no effect: cluster.enabled is false.');
  if (values['labels.output'] === 'api' && !values['cluster.enabled'])
    notes.push('labels.output api has no effect: cluster.enabled is false.');
  return [...notes, ...healthNotes(values), ...cdiNotes(values, originOf)];
}
