import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { shortFolder } from './short-folder.ts';

export const nodeName = 'gpu-1';
export const bootId = '7f0c9e1e-0000-4000-8000-000000000001';

/** One request as the API server got it. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly contentType: string | undefined;
  readonly authorization: string | undefined;
  readonly body: string;
}

/** How a request is answered instead of with the node; `silent`: not at all. */
export type Fault =
  | 'silent'
  | 'hang-up'
  | { readonly code: number; readonly body: string; readonly headers?: Readonly<Record<string, string>> };

/** A stand-in for the API server that knows one node, and a kubeconfig that leads to it. */
export class ApiServer {
  readonly asked: Asked[] = [];
  readonly capacity: Record<string, string> = {};
  readonly allocatable: Record<string, string> = { cpu: '8' };
  /** The node's labels with who has set each. */
  readonly labels = new Map<string, { readonly value: string; readonly manager: string }>();
  uid = 'uid-1';
  boot = bootId;
  /** The answer to the next requests, until it is `null` again. */
  fault: Fault | null = null;
  connections = 0;
  kubeconfig = '';
  readonly #server: Server = createServer((request, response) => {
    void this.#answer(request).then((answer) => {
      if (answer === 'silent') return;
      if (answer === 'hang-up') request.socket.destroy();
      else
        response
          .writeHead(answer.code, { 'content-type': 'application/json', ...answer.headers })
          .end(answer.body);
    });
  }).on('connection', () => (this.connections += 1));

  /** What was patched, in order. */
  get patches(): readonly unknown[] {
    return this.asked
      .filter(({ method }) => method === 'PATCH')
      .map(({ body }) => JSON.parse(body) as unknown);
  }

  /** Listens until the test is over. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => this.stop());
    const { port } = this.#server.address() as AddressInfo;
    this.kubeconfig = join(await shortFolder(), 'kubeconfig');
    const server = `http://127.0.0.1:${port}`;
    await writeFile(
      this.kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'it',
        clusters: [{ name: 'it', cluster: { server, 'insecure-skip-tls-verify': true } }],
        users: [{ name: 'agent', user: { token: 'secret' } }],
        contexts: [{ name: 'it', context: { cluster: 'it', user: 'agent' } }],
      }),
    );
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Server-side apply, as far as labels go: what a manager has set before and does not name now is gone. */
  #apply(url: URL, { metadata }: AppliedNode): Exclude<Fault, null> | null {
    const manager = url.searchParams.get('fieldManager') ?? '';
    if (metadata.uid !== this.uid) return refusal(409, 'Precondition failed: UID in precondition');
    const wanted = Object.entries(metadata.labels ?? {});
    const others = wanted.filter(([name, value]) => {
      const there = this.labels.get(name);
      return there !== undefined && there.manager !== manager && there.value !== value;
    });
    if (others.length > 0) {
      const causes = others.map(([name]) => ({
        reason: 'FieldManagerConflict',
        message: 'conflict with "nfd-master"',
        field: `.metadata.labels.${name}`,
      }));
      const status = { kind: 'Status', code: 409, message: 'Apply failed', details: { causes } };
      return { code: 409, body: JSON.stringify(status) };
    }
    for (const [name, { manager: owner }] of this.labels) if (owner === manager) this.labels.delete(name);
    for (const [name, value] of wanted) this.labels.set(name, { value, manager });
    return null;
  }

  async #answer(request: IncomingMessage): Promise<Exclude<Fault, null>> {
    const { method = '', url: path = '', headers } = request;
    const body = await text(request);
    this.asked.push({
      method,
      path,
      contentType: headers['content-type'],
      authorization: headers.authorization,
      body,
    });
    if (this.fault !== null) return this.fault;
    if (headers['content-type'] === 'application/apply-patch+yaml') {
      const refused = this.#apply(new URL(path, 'http://server'), JSON.parse(body) as AppliedNode);
      if (refused !== null) return refused;
    } else if (method === 'PATCH') {
      const patch = JSON.parse(body) as { status: { allocatable: Record<string, string> } };
      Object.assign(this.allocatable, patch.status.allocatable);
    }
    const { capacity, allocatable } = this;
    const status = { capacity, allocatable, nodeInfo: { bootID: this.boot } };
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, uid: this.uid }, status };
    return { code: 200, body: JSON.stringify(node) };
  }
}

interface AppliedNode {
  readonly metadata: { readonly uid?: string; readonly labels?: Readonly<Record<string, string>> };
}

/** An answer of the API server that is no node. */
export function refusal(code: number, message: string, headers?: Readonly<Record<string, string>>): Fault {
  const body = JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message });
  return { code, body, ...(headers !== undefined && { headers }) };
}
