import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import type { Programs } from '../build/build-programs.ts';
import { node, serviceAddress } from './layout.ts';

/** Who uses the API server, by the name of the files, with the user and groups that Kubernetes' own roles are bound to. */
const clients = [
  { name: 'admin', user: 'admin', groups: ['system:masters'] },
  { name: 'controller-manager', user: 'system:kube-controller-manager', groups: [] },
  { name: 'scheduler', user: 'system:kube-scheduler', groups: [] },
  { name: 'proxy', user: 'system:kube-proxy', groups: [] },
  { name: 'kubelet', user: `system:node:${node.name}`, groups: ['system:nodes'] },
] as const;

const servers = [
  {
    name: 'apiserver',
    user: 'kube-apiserver',
    hosts: [
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      'localhost',
      '127.0.0.1',
      node.address,
      serviceAddress,
    ],
  },
  { name: 'kubelet-server', user: node.name, hosts: [node.name, node.address] },
] as const;

/**
 * Writes all certificates and kubeconfigs into a folder.
 * @param port of this machine that leads to the API server, for the administrator
 */
export async function writeAccess(programs: Programs, folder: string, port: number): Promise<void> {
  const maker = spawn(programs.path('certificates'), [], { stdio: ['pipe', 'ignore', 'pipe'] });
  maker.stdin.end(JSON.stringify({ folder, certificates: [...clients, ...servers] }));
  const [complaint, [code]] = await Promise.all([text(maker.stderr), once(maker, 'close')]);
  if (code !== 0) throw new Error(complaint);
  for (const { name } of clients) {
    const server = `https://${name === 'admin' ? `127.0.0.1:${port}` : `${node.address}:6443`}`;
    await writeFile(join(folder, `${name}.conf`), await kubeconfig(folder, name, server), { mode: 0o600 });
  }
}

/** A kubeconfig with everything in it. JSON is YAML too. */
async function kubeconfig(folder: string, name: string, server: string): Promise<string> {
  const encoded = async (file: string): Promise<string> => readFile(join(folder, file), 'base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'it',
    clusters: [{ name: 'it', cluster: { server, 'certificate-authority-data': await encoded('ca.crt') } }],
    users: [
      {
        name,
        user: {
          'client-certificate-data': await encoded(`${name}.crt`),
          'client-key-data': await encoded(`${name}.key`),
        },
      },
    ],
    contexts: [{ name: 'it', context: { cluster: 'it', user: name } }],
  });
}
