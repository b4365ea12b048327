import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
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

/** What the tests read of an Event. */
export interface WrittenEvent {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTimestamp: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly involvedObject: { readonly kind: string; readonly name: string; readonly uid?: string };
}

/** A stand-in for the API server that knows one node and the Events about it, and a kubeconfig that leads to it. */
export class ApiServer {
  readonly asked: Asked[] = [];
  readonly capacity: Record<string, string> = {};
  readonly allocatable: Record<string, string> = { cpu: '8' };
  /** By name, in the order of their last writing. */
  readonly events = new Map<string, WrittenEvent>();
  /** The node's labels with who has set each. */
  readonly labels = new Map<string, { readonly value: string; readonly manager: string }>();
  /** The node's conditions by type. */
  readonly conditions = new Map<string, Readonly<Record<string, string>>>([
    ['Ready', { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is ready' }],
  ]);
  taints: readonly Readonly<Record<string, string>>[] = [];
  uid = 'uid-1';
  boot = bootId;
  /** The answer to the next requests, until it is `null` again. */
  fault: Fault | null = null;
  /** The answer to who wants to watch, while the rest works. */
  watchFault: Exclude<Fault, 'silent' | 'hang-up'> | null = null;
  connections = 0;
  kubeconfig = '';
  #ownLabels: Readonly<Record<string, string>> = {};
  #annotations: Readonly<Record<string, string>> = {};
  #version = 1;
  #port = 0;
  readonly #watchers = new Set<ServerResponse>();
  readonly #server: Server = createServer((request, response) => {
    void this.#answer(request).then((answer) => {
      if (answer === 'silent') return;
      if (answer === 'watch') return this.#watch(response);
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

  /** How many watches are open. */
  get watches(): number {
    return this.#watchers.size;
  }

  /** Gives the node these labels, and tells whoever watches it. */
  setLabels(labels: Readonly<Record<string, string>>): void {
    this.#ownLabels = labels;
    this.#tell();
  }

  /** The same with annotations. */
  setAnnotations(annotations: Readonly<Record<string, string>>): void {
    this.#annotations = annotations;
    this.#tell();
  }

  /** As when somebody changes the node. */
  #tell(): void {
    this.#version += 1;
    for (const watcher of this.#watchers)
      watcher.write(`${JSON.stringify({ type: 'MODIFIED', object: this.#node() })}\n`);
  }

  /** Ends all watches: in good order, or as one of a version that is too old. */
  endWatches(how: 'in good order' | 'as outdated'): void {
    const status = { kind: 'Status', apiVersion: 'v1', code: 410, message: 'too old resource version' };
    for (const watcher of this.#watchers)
      watcher.end(how === 'as outdated' ? `${JSON.stringify({ type: 'ERROR', object: status })}\n` : '');
  }

  /** Listens until the test is over. */
  async start(): Promise<void> {
    await this.listen();
    onTestFinished(() => this.stop());
    const port = this.#port;
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

  /** Listens again where it did before it was stopped. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #watch(response: ServerResponse): void {
    this.#watchers.add(response);
    response.on('close', () => this.#watchers.delete(response));
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
  }

  #node(): object {
    const applied = [...this.labels].map(([name, { value }]) => [name, value] as const);
    const labels = { ...Object.fromEntries(applied), ...this.#ownLabels };
    const { capacity, allocatable } = this;
    const conditions = [...this.conditions.values()];
    const status = { capacity, allocatable, conditions, nodeInfo: { bootID: this.boot } };
    const metadata = {
      name: nodeName,
      uid: this.uid,
      labels,
      annotations: this.#annotations,
      resourceVersion: String(this.#version),
    };
    return { apiVersion: 'v1', kind: 'Node', metadata, spec: { taints: this.taints }, status };
  }

  #list(query: URLSearchParams): object {
    const items = query.get('fieldSelector') === `metadata.name=${nodeName}` ? [this.#node()] : [];
    return {
      apiVersion: 'v1',
      kind: 'NodeList',
      metadata: { resourceVersion: String(this.#version) },
      items,
    };
  }

  #writeEvent(method: string, name: string, body: string): Exclude<Fault, null> {
    const given = JSON.parse(body) as Partial<WrittenEvent>;
    const key = name === '' ? (given.metadata?.name ?? '') : name;
    const before = this.events.get(key);
    if (method === 'POST' && before !== undefined) return refusal(409, 'events already exists');
    const written = { ...before, ...given } as WrittenEvent;
    this.events.delete(key);
    this.events.set(key, written);
    return { code: 200, body: JSON.stringify(written) };
  }

  /** What the agent patches: amounts (merge), conditions (strategic merge by type), taints (merge). */
  #patch({ metadata, spec, status }: PatchedNode): Fault | null {
    const version = metadata?.resourceVersion ?? String(this.#version);
    if (version !== String(this.#version)) return refusal(409, 'the object has been modified');
    Object.assign(this.allocatable, status?.allocatable);
    for (const condition of status?.conditions ?? [])
      if (condition['$patch'] === 'delete') this.conditions.delete(condition['type'] ?? '');
      else this.conditions.set(condition['type'] ?? '', condition);
    if (spec?.taints !== undefined) this.taints = spec.taints;
    this.#version += 1;
    return null;
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

  async #answer(request: IncomingMessage): Promise<Exclude<Fault, null> | 'watch'> {
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
    const { pathname, searchParams } = new URL(path, 'http://api');
    const [, event = null] = /^\/api\/v1\/namespaces\/[^/]+\/events\/?(.*)$/.exec(pathname) ?? [];
    if (event !== null) return this.#writeEvent(method, event, body);
    if (pathname === '/api/v1/nodes') {
      if (searchParams.get('watch') === 'true') return this.watchFault ?? 'watch';
      return { code: 200, body: JSON.stringify(this.#list(searchParams)) };
    }
    if (headers['content-type'] === 'application/apply-patch+yaml') {
      const refused = this.#apply(new URL(path, 'http://server'), JSON.parse(body) as AppliedNode);
      if (refused !== null) return refused;
    } else if (method === 'PATCH') {
      const refused = this.#patch(JSON.parse(body) as PatchedNode);
      if (refused !== null) return refused;
    }
    return { code: 200, body: JSON.stringify(this.#node()) };
  }
}

interface PatchedNode {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly spec?: { readonly taints?: readonly Readonly<Record<string, string>>[] };
  readonly status?: {
    readonly allocatable?: Readonly<Record<string, string>>;
    readonly conditions?: readonly Readonly<Record<string, string>>[];
  };
}

interface AppliedNode {
  readonly metadata: { readonly uid?: string; readonly labels?: Readonly<Record<string, string>> };
}

/** An answer of the API server that is no node. */
export function refusal(code: number, message: string, headers?: Readonly<Record<string, string>>): Fault {
  const body = JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message });
  return { code, body, ...(headers !== undefined && { headers }) };
}
