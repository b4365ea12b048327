import { xidCatalogue } from '../health/xid.ts';
import { parseHealthChecks } from './health-checks.ts';
import type { SettingValues } from './settings.ts';

/** What an administrator should know of the health checks of a configuration. */
export function healthNotes(values: SettingValues): readonly string[] {
  const { ignore, unhealthy } = values['health.xids'];
  const disabled = parseHealthChecks(values.DP_DISABLE_HEALTHCHECKS);
  const enabled = parseHealthChecks(values.DP_ENABLE_HEALTHCHECKS);
  const lists = [
    { key: 'health.xids.ignore', xids: ignore, strange: [] },
    { key: 'health.xids.unhealthy', xids: unhealthy, strange: [] },
    { key: 'DP_DISABLE_HEALTHCHECKS', ...disabled },
    { key: 'DP_ENABLE_HEALTHCHECKS', ...enabled },
  ];
  return [
    ...(values['health.taint'] && !values['cluster.enabled']
      ? ['health.taint has no effect: cluster.enabled is false.']
      : []),
    ...lists.flatMap(({ key, strange }) =>
      strange.map((word) => `${key}: '${word}' is no XID and has no effect.`),
    ),
    ...lists.flatMap(({ key, xids }) => {
      const unknown = xids.filter((xid) => !xidCatalogue.has(xid));
      if (unknown.length === 0) return [];
      return [
        `${key}: XID ${unknown.join(', ')} is not in the catalogue of this version; it counts as it is written.`,
      ];
    }),
    ...(disabled.all && !enabled.allXids
      ? [
          'DP_DISABLE_HEALTHCHECKS all: only a GPU that does not answer is Unhealthy' +
            (enabled.xids.length === 0 ? '.' : `, and one with XID ${enabled.xids.join(', ')}.`),
        ]
      : []),
  ];
}
