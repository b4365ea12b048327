import type { KubernetesObject } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { openClusterNode } from './support/cluster-node.ts';
import { chart, helm } from './support/helm.ts';
import { onCluster } from './support/on-cluster.ts';
import { daemonSet, renderInstalled } from './support/rendered-chart.ts';

const kinds = { podMonitor: 'PodMonitor', serviceMonitor: 'ServiceMonitor' } as const;
const keys = ['podMonitor', 'serviceMonitor'] as const;
const monitor = { enabled: true, labels: { team: 'gpus' }, interval: '30s' };

/** The only object of a kind, as one reads it in YAML. */
function only(objects: readonly KubernetesObject[], kind: string): Record<'metadata' | 'spec', unknown> {
  const found = objects.filter((object) => object.kind === kind);
  expect(found).toHaveLength(1);
  return found[0] as KubernetesObject & { readonly spec: unknown } & { readonly metadata: unknown };
}

onCluster('the monitors of the chart', () => {
  describe('scrape each agent at the port that a network policy leaves open', () => {
    test.for(keys)('%s', async (key) => {
      const objects = await renderInstalled({
        [key]: monitor,
        networkPolicy: { enabled: true },
        httpPort: 9500,
      });
      const { template } = daemonSet(objects).spec ?? {};
      expect(template?.spec?.containers[0]?.ports).toEqual([{ name: 'http', containerPort: 9500 }]);
      expect(only(objects, 'NetworkPolicy').spec).toMatchObject({ ingress: [{ ports: [{ port: 'http' }] }] });
      const endpoints = [expect.objectContaining({ port: 'http', path: '/metrics', interval: '30s' })];
      const selector = { matchLabels: daemonSet(objects).spec?.selector.matchLabels };
      const list = key === 'podMonitor' ? 'podMetricsEndpoints' : 'endpoints';
      expect(only(objects, kinds[key])).toMatchObject({
        metadata: { labels: monitor.labels },
        spec: { selector, [list]: endpoints },
      });
    });
  });

  test('find agents, ready or not, through a Service without an address', async () => {
    const objects = await renderInstalled({ serviceMonitor: monitor, httpPort: 9500 });
    const labels = daemonSet(objects).spec?.selector.matchLabels;
    expect(only(objects, 'Service')).toMatchObject({
      metadata: { labels },
      spec: {
        clusterIP: 'None',
        publishNotReadyAddresses: true,
        selector: labels,
        ports: [{ name: 'http', port: 9500, targetPort: 'http' }],
      },
    });
    expect((await renderInstalled({ podMonitor: monitor })).map(({ kind }) => kind)).not.toContain('Service');
  });

  describe('are refused without the resource definitions of the operator, and nothing is installed', () => {
    test.for(keys)('%s', async (key) => {
      await using node = await openClusterNode({ gpus: 1 });
      const { cluster, namespace } = node;
      const args = ['install', 'gpus', chart, '--namespace', namespace];
      const { code, stderr } = await helm(args, { values: { [key]: monitor }, cluster });
      expect(code).toBe(1);
      expect(stderr).toContain(`no matches for kind "${kinds[key]}"`);
      const left = await helm(['list', '--all', '--namespace', namespace, '--short'], { cluster });
      expect(left.stdout).toBe('');
      expect(await node.pods.list()).toEqual([]);
    });
  });
});
