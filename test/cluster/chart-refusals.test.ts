import { expect, test } from 'vitest';
import { chart, helm } from './support/helm.ts';
import { onCluster } from './support/on-cluster.ts';
import { renderInstalled, where } from './support/rendered-chart.ts';

onCluster('values that the chart refuses', () => {
  test.for([
    [{ nodes: 'some' }, "at '/nodes': value must be one of 'all', 'labelled'"],
    [{ policy: {} }, "additional properties 'policy' not allowed"],
    [{ httpPort: '9400' }, "at '/httpPort': got string, want integer"],
    [{ memory: { unit: 0 } }, "at '/memory/unit'"],
    [{ memory: { unit: '1GB' } }, "at '/memory/unit'"],
    [{ migStrategy: 'both' }, "at '/migStrategy'"],
    [{ deviceListStrategy: 'cdi' }, "at '/deviceListStrategy'"],
    [{ image: { digest: 'sha256:1' } }, "at '/image/digest'"],
    [{ namespaceOverride: 'default' }, "The namespace 'default' is for trying things out"],
    [
      { updateStrategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } },
      'no agent can ever be replaced',
    ],
    [
      { updateStrategy: { rollingUpdate: { maxSurge: '10%', maxUnavailable: 1 } } },
      'and not both (10% and 1)',
    ],
    [
      {
        devicePlugin: { enableHostNetwork: true },
        updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      },
      "a node's port 9400 is the old agent's",
    ],
    [{ gfd: { enabled: true }, serviceAccount: { create: false } }, 'serviceAccount.create is false'],
    [{ memory: { maxPerContainer: '512Mi' } }, 'maxPerContainer is 512Mi, less than one unit of 1Gi'],
    [{ memory: { maxPerContainer: '0' } }, 'less than one unit'],
    [
      { memory: { unit: '2Gi', maxPerContainer: '1Gi' }, policies: { enabled: false } },
      'less than one unit of 2Gi',
    ],
    [{ policies: { bytes: true }, memory: { enabled: false } }, 'memory.enabled is false'],
    [{ podMonitor: { enabled: true }, serviceMonitor: { enabled: true } }, 'every agent is scraped twice'],
    [{ memory: { unit: '512Mi' } }, 'the policies count in units of 1Gi'],
    [
      { networkPolicy: { enabled: true }, devicePlugin: { enableHostNetwork: true } },
      'has no effect on pods with',
    ],
  ] as const)('%j: %s', async ([values, words]) => {
    const { code, stderr } = await helm(['template', 'slicewise', chart, ...where], { values });
    expect(code).toBe(1);
    expect(stderr).toContain(words);
  });

  test('a profile of AppArmor, by a Kubernetes that would ignore it', async () => {
    const values = { appArmorProfile: { type: 'Unconfined' } };
    const args = ['template', 'slicewise', chart, '--namespace', 'gpus', '--kube-version'];
    expect(await helm([...args, '1.29.9'], { values })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('appArmorProfile needs Kubernetes 1.30') as string,
    });
    expect(await helm([...args, '1.30.0'], { values })).toMatchObject({ code: 0 });
  });

  test('are not those that contradict nothing', async () => {
    for (const values of [
      { serviceAccount: { create: false } },
      { gfd: { enabled: true }, serviceAccount: { create: false, name: 'mine' } },
      { memory: { maxPerContainer: '1024Mi' } },
      { memory: { enabled: false, maxPerContainer: '512Mi' } },
    ])
      expect(await renderInstalled(values)).not.toEqual([]);
  });
});
