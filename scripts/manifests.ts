import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const chart = new URL('../charts/slicewise/', import.meta.url);
const deploy = new URL('../deploy/', import.meta.url);
const policies = new URL('policies/', chart);

/** Runs helm, and resolves with what it prints. */
export type Helm = (args: readonly string[]) => Promise<string>;

/** What of the chart a file is, and what an admin has to know of it. */
interface Manifest {
  readonly words: readonly string[];
  readonly values: readonly string[];
  /** Template of which alone it is made; the hooks are never in it. */
  readonly only?: string;
  readonly namespace: string;
  /** Objects that Helm would not make. */
  readonly before?: string;
}

const account = [
  'The DaemonSet has to run with this service account and its token:',
  '',
  '    serviceAccountName: slicewise',
  '    automountServiceAccountToken: true',
];

/** The rights of one feature, as objects that can stand beside those of another. */
function access(feature: string, value: string, words: readonly string[]): Manifest {
  const values = [`fullnameOverride=slicewise-${feature}`, 'serviceAccount.name=slicewise', value];
  return {
    words: [...words, '', ...account],
    values,
    only: 'templates/access.yaml',
    namespace: 'kube-system',
  };
}

const manifests: Readonly<Record<string, Manifest>> = {
  'static/slicewise.yaml': {
    words: [
      'All of the chart with its default values, for a cluster without Helm. Kubernetes 1.30 or newer.',
    ],
    values: [],
    namespace: 'slicewise',
    before: `apiVersion: v1
kind: Namespace
metadata:
  name: slicewise
  labels:
    # The agents mount folders of the node.
    pod-security.kubernetes.io/enforce: privileged
---
`,
  },
  'config-per-node/access.yaml': access('node-config', 'config.name=slicewise-configs', [
    "What the agent needs to pick a node's config by its label: to read nodes, and to write Events about what it picked. It changes no node.",
  ]),
  'labels/access.yaml': access('node-labels', 'gfd.enabled=true', [
    'What the agent needs for labels.output api: to read and to patch nodes, and nothing else. RBAC cannot say "its own node, and labels alone"; that is',
    'what ../fast-status/own-node.yaml is for; apply that first.',
  ]),
  'health/access.yaml': access(
    'node-health',
    'health.condition=true,health.events=true,health.ackAnnotation=true',
    [
      'What the agent needs to tell the cluster of sick GPUs: for health.condition to read and to patch the status of nodes, for health.events to write Events where',
      'pods are, for health.ackAnnotation to read nodes. RBAC cannot say "its own node, and one condition alone"; that is what ../fast-status/own-node.yaml is',
      'for; apply that first.',
    ],
  ),
  'fast-status/access.yaml': access('node-status', 'cluster.fastStatus=true', [
    'What the agent needs for cluster.fastStatus: to read and to patch the status of nodes, and nothing else. RBAC cannot say "its own node"; that is',
    'what own-node.yaml is for; apply that first.',
  ]),
};

/** What only Helm may say of an object. */
const ofHelm = /^ *(?:helm\.sh\/chart|app\.kubernetes\.io\/managed-by|# Source): .*\n/gm;

/** Where policies of the chart go that are no limit on GPU memory. */
const folders: Readonly<Record<string, string>> = {
  'own-node.yaml': 'fast-status',
  'own-events.yaml': 'health',
};

/** The files below deploy/ that are made from the chart, by their paths there. The examples are not. */
export async function renderManifests(helm: Helm): Promise<ReadonlyMap<string, string>> {
  const names = await readdir(policies);
  const rendered = Object.entries(manifests).map(
    async ([path, manifest]) => [path, await render(path, manifest, helm)] as const,
  );
  const copied = names.map(async (name) => {
    const path = `${folders[name] ?? 'policies'}/${name}`;
    return [path, await readFile(new URL(name, policies), 'utf8')] as const;
  });
  return new Map(await Promise.all([...rendered, ...copied]));
}

async function render(path: string, manifest: Manifest, helm: Helm): Promise<string> {
  const { words, values, only, namespace, before = '' } = manifest;
  const text = await helm([
    'template',
    'slicewise',
    fileURLToPath(chart),
    `--namespace=${namespace}`,
    '--kube-version=1.36.0',
    '--no-hooks',
    ...values.map((value) => `--set=${value}`),
    ...(only === undefined ? [] : [`--show-only=${only}`]),
  ]);
  const head = [...words, '', 'Made from charts/slicewise by scripts/manifests.ts.'];
  const comment = head.map((line) => `# ${line}`.trimEnd()).join('\n');
  const file = new URL(path, deploy);
  const body = text
    .replaceAll(ofHelm, '')
    .replaceAll(/\n+---\n/g, '\n---\n')
    .replace(/^---\n/, '');
  const options = await resolveConfig(file);
  return format(`${comment}\n${before}${body}`, { ...options, filepath: fileURLToPath(file) });
}

/** Writes the files, or with --check says which of those that are there are not current. */
async function main(args: readonly string[]): Promise<number> {
  const program = process.env['HELM'] ?? 'helm';
  const helm: Helm = async (given) =>
    new Promise((resolve, reject) => {
      execFile(program, [...given], (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${program}, or what HELM names: ${error.message}${stderr}`, { cause: error }));
      });
    });
  let code = 0;
  for (const [path, text] of await renderManifests(helm)) {
    const file = new URL(path, deploy);
    if (!args.includes('--check')) await writeFile(file, text);
    else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
      process.stderr.write(`deploy/${path} is not current: run node scripts/manifests.ts\n`);
      code = 1;
    }
  }
  return code;
}

if (import.meta.main)
  process.exitCode = await main(process.argv.slice(2)).catch((thrown: unknown) => {
    process.stderr.write(`${String(thrown)}\n`);
    return 1;
  });
