import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { openClusterNode } from './support/cluster-node.ts';
import { chart, helm } from './support/helm.ts';
import { agentPod, installChart, upgradeChart } from './support/installed-chart.ts';
import { onCluster } from './support/on-cluster.ts';
import { daemonSet, renderInstalled, where } from './support/rendered-chart.ts';

const hostNetwork = { devicePlugin: { enableHostNetwork: true } };
const keys = Object.keys(parse(await readFile(join(chart, 'values.yaml'), 'utf8')) as object);

/** What is rendered, by kind, when a value is missing altogether. */
async function kindsWithout(key: string, values: object): Promise<readonly (string | undefined)[]> {
  const end = await helm(['template', 'slicewise', chart, ...where], { values: { ...values, [key]: null } });
  expect({ code: end.code, stderr: end.stderr }).toEqual({ code: 0, stderr: '' });
  return [...end.stdout.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind);
}

onCluster('updates of the chart', () => {
  test.for([
    [{}, { maxSurge: 1, maxUnavailable: 0 }],
    [hostNetwork, { maxSurge: 0, maxUnavailable: 1 }],
    [
      { updateStrategy: { rollingUpdate: { maxUnavailable: '20%' } } },
      { maxSurge: 0, maxUnavailable: '20%' },
    ],
    [{ updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } }, { maxSurge: 1, maxUnavailable: 0 }],
    [{ updateStrategy: { rollingUpdate: { maxSurge: 2 } } }, { maxSurge: 2, maxUnavailable: 0 }],
    [{ updateStrategy: { rollingUpdate: { maxSurge: 0 } } }, { maxSurge: 0, maxUnavailable: 1 }],
    [{ updateStrategy: { type: 'OnDelete' }, ...hostNetwork }, undefined],
  ] as const)('with %j replace agents by %j', async ([values, rollingUpdate]) => {
    const { spec } = daemonSet(await renderInstalled(values));
    expect(spec?.updateStrategy?.rollingUpdate).toEqual(rollingUpdate);
  });

  test("replace agents with the host's network, where two have no room on a node", async () => {
    await using node = await openClusterNode({ gpus: 1 });
    await using _ = await installChart(node, hostNetwork);
    const first = await agentPod(node);
    await upgradeChart(node, { ...hostNetwork, podLabels: { version: 'second' } });
    expect(await agentPod(node)).not.toBe(first);
    await node.waitForAmount({ capacity: 1, allocatable: 1 });
  });

  describe('with --reuse-values, from a chart that did not know', () => {
    // What the agent is told from groups that are there, so that those that are not would be missed.
    const used = {
      config: { map: { default: 'version: v1' } },
      gfd: { enabled: true },
      cluster: { fastStatus: true },
      health: { condition: true, events: true, taint: true, ackAnnotation: true },
      podMonitor: { enabled: true },
    };
    test.for(keys)('%s', async (key) => {
      expect(await kindsWithout(key, {})).toContain('DaemonSet');
      const kinds = await kindsWithout(key, used);
      for (const kind of ['DaemonSet', 'ServiceAccount', 'ClusterRole']) expect(kinds).toContain(kind);
    });

    test('any of the groups', async () => {
      const values = Object.fromEntries(keys.map((key) => [key, null]));
      const { spec } = daemonSet(await renderInstalled(values));
      expect(spec?.template.spec?.containers[0]?.ports).toEqual([{ name: 'http', containerPort: 9400 }]);
      expect(spec?.template.spec?.containers[0]?.image).toMatch(/^slicewise:/);
    });
  });
});
