import { cp, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Go } from './go.ts';
import { agentImageRecipe, writeAgentImage } from './agent-image.ts';
import { hashTree } from './hash-tree.ts';
import { writeBusyboxImage, writePauseImage } from './images.ts';
import { requireKubernetes, requiresKubernetes } from './kubernetes-module.ts';

/** A part of the cluster that is built by itself and kept under a key made of all that goes into it. */
export interface Part {
  /** For a person: what it is, with its version. */
  readonly title: string;
  readonly name: string;
  /** Former builds are removed when there is a new one. */
  readonly keepsOne?: boolean;
  /** `false`: where it cannot be built, the cluster does without it. */
  readonly isNeeded?: boolean;
  /** Text that changes when the part has to be built again. */
  recipe(): Promise<string>;
  /** Puts the part's files into an empty folder. */
  build(go: Go, folder: string, built: BuiltPart): Promise<void>;
}

/** The folder of a part that was built before. */
export type BuiltPart = (name: string) => string;

const versions = { containerd: 'v2.3.7', runc: 'v1.4.3', cni: 'v1.9.1', helm: 'v4.3.1' } as const;
const programsFolder = join(import.meta.dirname, '../programs');
const nvidiaFolder = join(import.meta.dirname, '../nvidia-plugin');
const kubernetesPrograms = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kube-proxy',
  'kubelet',
  'kubectl',
];
const ownPrograms = ['supervisor', 'certificates', 'oracle', 'pause'];
const small = '-s -w';
const busybox = '/bin/busybox';

/** All parts, in the order in which they can be built. */
export function clusterParts(kubernetes: string): readonly Part[] {
  return [
    ownPart(),
    kubernetesPart(kubernetes),
    containerdPart(),
    runcPart(),
    cniPart(),
    helmPart(),
    nvidiaPart(),
    imagesPart(),
    agentPart(),
  ];
}

function ownPart(): Part {
  return {
    name: 'own',
    title: `own programs: ${ownPrograms.join(', ')}`,
    recipe: () => hashTree(programsFolder, ['kube']),
    async build(go, folder) {
      for (const program of ownPrograms) {
        await go(['build', '-ldflags', small, '-o', folder, `./${program}`], programsFolder, withoutCgo);
      }
    },
  };
}

function kubernetesPart(version: string): Part {
  const [major = '', minor = ''] = version.slice(1).split('.');
  const stamp = 'k8s.io/component-base/version';
  const flags = [
    small,
    `-X ${stamp}.gitVersion=${version}`,
    `-X ${stamp}.gitMajor=${major} -X ${stamp}.gitMinor=${minor} -X ${stamp}.gitTreeState=clean`,
  ].join(' ');
  return {
    name: 'kubernetes',
    title: `Kubernetes ${version} and etcd`,
    recipe: async () => `${flags}\n${await hashTree(programsFolder, ownPrograms)}`,
    async build(go, folder) {
      let module = programsFolder;
      if (!(await requiresKubernetes(module, version))) {
        module = join(folder, 'module');
        await cp(programsFolder, module, { recursive: true });
        await requireKubernetes(go, module, version);
      }
      await go(['build', '-ldflags', flags, '-o', join(folder, 'kube'), './kube'], module, withoutCgo);
      for (const program of kubernetesPrograms) await symlink('kube', join(folder, program));
      await rm(join(folder, 'module'), { recursive: true, force: true });
    },
  };
}

function containerdPart(): Part {
  const module = 'github.com/containerd/containerd/v2';
  const programs = ['containerd', 'containerd-shim-runc-v2', 'ctr'].map((program) => ({
    package: `${module}/cmd/${program}`,
    flags: [
      '-tags=no_btrfs,no_devmapper,no_zfs',
      `-ldflags=${small} -X ${module}/version.Version=${versions.containerd}`,
    ],
  }));
  return installed('containerd', versions.containerd, withoutCgo, programs);
}

/** runc needs cgo, and libseccomp: the default seccomp profile is applied to every pod's sandbox. */
function runcPart(): Part {
  const flags = [
    '-tags=seccomp,netgo,osusergo',
    `-ldflags=${small} -extldflags -static -X main.version=${versions.runc.slice(1)}`,
  ];
  const programs = [{ package: 'github.com/opencontainers/runc', flags }];
  return installed('runc', versions.runc, { CGO_ENABLED: '1' }, programs);
}

function cniPart(): Part {
  const folder = 'github.com/containernetworking/plugins/plugins';
  const programs = ['main/bridge', 'ipam/host-local', 'meta/portmap'];
  return installed(
    'cni',
    versions.cni,
    withoutCgo,
    programs.map((program) => ({ package: `${folder}/${program}`, flags: [`-ldflags=${small}`] })),
  );
}

function helmPart(): Part {
  const programs = [{ package: 'helm.sh/helm/v4/cmd/helm', flags: [`-ldflags=${small}`] }];
  return installed('helm', versions.helm, withoutCgo, programs);
}

/**
 * NVIDIA's device plugin, with which the agent takes turns on the node. Its module has dependencies of its own, which the folder pins.
 * A test that needs it does without where the module is not to be had.
 */
function nvidiaPart(): Part {
  const flags = [`-ldflags=${small}`];
  return {
    name: 'nvidia-plugin',
    title: "NVIDIA's device plugin",
    isNeeded: false,
    recipe: async () => `${flags.join(' ')}\n${await hashTree(nvidiaFolder)}`,
    async build(go, folder) {
      const program = 'github.com/NVIDIA/k8s-device-plugin/cmd/nvidia-device-plugin';
      await go(['build', ...flags, '-o', folder, program], nvidiaFolder, { CGO_ENABLED: '1' });
    },
  };
}

function imagesPart(): Part {
  return {
    name: 'images',
    title: 'images for pods',
    recipe: async () =>
      [
        await hashTree(programsFolder, ['kube', 'supervisor', 'certificates', 'oracle']),
        await readFile(join(import.meta.dirname, 'images.ts'), 'utf8'),
        await hashTree(busybox),
      ].join('\n'),
    async build(_go, folder, built) {
      await writePauseImage(join(built('own'), 'pause'), join(folder, 'pause.tar'));
      await writeBusyboxImage(busybox, join(folder, 'busybox.tar'));
    },
  };
}

/** Built anew with every change of the source, and so the only one that is kept. */
function agentPart(): Part {
  return {
    name: 'agent',
    title: 'the image of the agent',
    keepsOne: true,
    recipe: agentImageRecipe,
    build: (_go, folder) => writeAgentImage(join(folder, 'agent.tar')),
  };
}

const withoutCgo = { CGO_ENABLED: '0' };

/** Programs that `go install` builds from a published version. */
function installed(
  name: string,
  version: string,
  env: Readonly<Record<string, string>>,
  programs: readonly { readonly package: string; readonly flags: readonly string[] }[],
): Part {
  return {
    name,
    title: `${name} ${version}`,
    recipe: () => Promise.resolve(JSON.stringify([version, env, programs])),
    async build(go, folder) {
      for (const program of programs) {
        await go(['install', ...program.flags, `${program.package}@${version}`], '/', {
          ...env,
          GOBIN: folder,
        });
      }
    },
  };
}
