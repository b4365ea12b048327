import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Programs } from '../build/build-programs.ts';
import { images } from '../build/images.ts';
import { node } from './layout.ts';

/** What of a kubelet differs from test to test. */
export interface KubeletOptions {
  /** How often the kubelet sends the node's status, in seconds; 10 is Kubernetes' default. */
  readonly nodeStatusSeconds: number;
}

/** Writes the config files of containerd, CNI, kubelet and kube-proxy into a folder. */
export async function writeConfigFiles(
  programs: Programs,
  etc: string,
  cgroup: string,
  options: KubeletOptions,
): Promise<void> {
  await mkdir(join(etc, 'cni'), { recursive: true });
  await writeFile(join(etc, 'containerd.toml'), containerdConfig(programs, etc));
  await writeFile(join(etc, 'cni/network.conflist'), JSON.stringify(cniConfig));
  await writeFile(join(etc, 'kube-proxy.json'), JSON.stringify(proxyConfig(etc)));
  await writeFile(join(etc, 'kubelet.json'), JSON.stringify(kubeletConfig(etc, cgroup, options)));
}

/** Every folder is named: the defaults of some lie outside what is private to the node. */
function containerdConfig(programs: Programs, etc: string): string {
  return `version = 3
[plugins.'io.containerd.internal.v1.opt']
path = '/var/lib/containerd/opt'
[plugins.'io.containerd.nri.v1.nri']
disable = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '${images.pause}'
[plugins.'io.containerd.cri.v1.runtime']
# Without it a container's start fails where CAP_SYS_RESOURCE is missing.
restrict_oom_score_adj = true
cdi_spec_dirs = ['/var/lib/cdi', '/run/cdi']
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['${dirname(programs.path('bridge'))}']
conf_dir = '${etc}/cni'
use_internal_loopback = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
`;
}

const cniConfig = {
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      hairpinMode: true,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: node.podRange }]],
        routes: [{ dst: '0.0.0.0/0' }],
        dataDir: '/run/cni',
      },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
};

function proxyConfig(etc: string): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    hostnameOverride: node.name,
    clientConnection: { kubeconfig: join(etc, 'proxy.conf') },
    clusterCIDR: node.podRange,
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    // 0 leaves the machine's own limits alone.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
}

function kubeletConfig(etc: string, cgroup: string, options: KubeletOptions): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: node.address,
    tlsCertFile: join(etc, 'kubelet-server.crt'),
    tlsPrivateKeyFile: join(etc, 'kubelet-server.key'),
    authentication: {
      x509: { clientCAFile: join(etc, 'ca.crt') },
      anonymous: { enabled: false },
      webhook: { enabled: true },
    },
    authorization: { mode: 'Webhook' },
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    volumePluginDir: '/var/lib/kubelet/volume-plugins',
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    clusterDomain: 'cluster.local',
    resolvConf: '',
    nodeStatusUpdateFrequency: `${options.nodeStatusSeconds}s`,
    // The disk is the tester's own: its fullness is no reason to end pods or to remove images.
    evictionHard: { 'memory.available': '100Mi' },
    imageGCHighThresholdPercent: 100,
  };
}
