import { join } from 'node:path';
import { node, serviceRange } from './layout.ts';

/** The programs of a cluster, in the order in which they are best started. */
export type Component =
  | 'containerd'
  | 'etcd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kube-proxy'
  | 'kubelet';

/** The arguments of a program, with its files in the folder. */
export function componentArgs(component: Component, etc: string): readonly string[] {
  return Object.entries(flagsOf(component, (name) => join(etc, name))).map(
    ([name, value]) => `--${name}=${value}`,
  );
}

function flagsOf(component: Component, file: (name: string) => string): Readonly<Record<string, string>> {
  const stores = 'http://127.0.0.1:2379';
  const peers = 'http://127.0.0.1:2380';
  switch (component) {
    case 'containerd':
      return { config: file('containerd.toml') };
    case 'etcd':
      return {
        name: 'it',
        'data-dir': '/var/lib/etcd',
        'log-level': 'warn',
        // The data are thrown away in any case.
        'unsafe-no-fsync': 'true',
        'listen-client-urls': stores,
        'advertise-client-urls': stores,
        'listen-peer-urls': peers,
        'initial-advertise-peer-urls': peers,
        'initial-cluster': `it=${peers}`,
      };
    case 'kube-apiserver':
      return {
        'etcd-servers': stores,
        'bind-address': node.address,
        'advertise-address': node.address,
        'service-cluster-ip-range': serviceRange,
        'tls-cert-file': file('apiserver.crt'),
        'tls-private-key-file': file('apiserver.key'),
        'client-ca-file': file('ca.crt'),
        'kubelet-certificate-authority': file('ca.crt'),
        'kubelet-client-certificate': file('admin.crt'),
        'kubelet-client-key': file('admin.key'),
        'kubelet-preferred-address-types': 'InternalIP',
        'service-account-issuer': 'https://kubernetes.default.svc',
        'service-account-key-file': file('tokens.pub'),
        'service-account-signing-key-file': file('tokens.key'),
        'authorization-mode': 'Node,RBAC',
        'enable-admission-plugins': 'NodeRestriction',
        'allow-privileged': 'true',
      };
    case 'kube-controller-manager':
      return {
        kubeconfig: file('controller-manager.conf'),
        'bind-address': '127.0.0.1',
        'leader-elect': 'false',
        // With the default limits, 20 and 30 calls a second, the first service account takes 6 s longer.
        'kube-api-qps': '500',
        'kube-api-burst': '500',
        'use-service-account-credentials': 'true',
        'service-account-private-key-file': file('tokens.key'),
        'root-ca-file': file('ca.crt'),
        'cluster-signing-cert-file': file('ca.crt'),
        'cluster-signing-key-file': file('ca.key'),
        'flex-volume-plugin-dir': '/var/lib/kubelet/volume-plugins',
      };
    case 'kube-scheduler':
      return { kubeconfig: file('scheduler.conf'), 'bind-address': '127.0.0.1', 'leader-elect': 'false' };
    case 'kube-proxy':
      return { config: file('kube-proxy.json') };
    case 'kubelet':
      return {
        config: file('kubelet.json'),
        kubeconfig: file('kubelet.conf'),
        'hostname-override': node.name,
        'node-ip': node.address,
      };
  }
}
