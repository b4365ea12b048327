import { readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Layout } from '../node/layout.ts';
import { CallCounter } from './call-counter.ts';

/** A call that the kubelet makes of the plugin. Both count from 1. */
export interface PluginCall {
  readonly connection: number;
  /** 1 is GetDevicePluginOptions, 2 ListAndWatch; then GetPreferredAllocation and Allocate for each container. */
  readonly call: number;
}

/** `cut`: the connection ends and the plugin never hears of the call. `hold`: the plugin's answer does not arrive. */
export type Verdict = 'pass' | 'cut' | 'hold';

/**
 * Stands between an agent and the kubelet and passes on bytes: the agent has a folder of its own for plugins, with a
 * `kubelet.sock` that is made anew whenever the kubelet makes its own anew. Every call of the kubelet can be spoiled.
 */
export class PluginProxy implements AsyncDisposable {
  /** For the agent. */
  readonly folder: string;
  /** Decides on each call; passes all until it is set. */
  judge: (call: PluginCall) => Verdict = () => 'pass';
  readonly calls: PluginCall[] = [];
  readonly #paths: Layout;
  readonly #sockets = new Set<Socket>();
  readonly #plugins = new Map<string, Server>();
  readonly #timer: NodeJS.Timeout;
  #registration: Server | null = null;
  #kubelet = '';
  #connections = 0;

  private constructor(folder: string, paths: Layout) {
    this.folder = folder;
    this.#paths = paths;
    this.#timer = setInterval(() => this.#followKubelet(), 5);
  }

  static async open(paths: Layout): Promise<PluginProxy> {
    const folder = await mkdtemp(join(tmpdir(), 'sw-'));
    // The agent looks for the kubelet's records beside its socket.
    await symlink(paths.checkpoint, join(folder, 'kubelet_internal_checkpoint'));
    return new PluginProxy(folder, paths);
  }

  get kubeletSocket(): string {
    return join(this.folder, 'kubelet.sock');
  }

  /** A stopped kubelet leaves its socket, so inode and change time tell a new one. */
  #followKubelet(): void {
    const found = statSync(this.#paths.kubeletSocket, { bigint: true, throwIfNoEntry: false });
    const identity = found === undefined ? '' : `${found.ino} ${found.ctimeNs}`;
    if (identity === '' || identity === this.#kubelet) return;
    this.#kubelet = identity;
    const renew = (): void => {
      this.#registration = createServer((agent) => void this.#register(agent)).listen(this.kubeletSocket);
    };
    if (this.#registration === null) renew();
    else this.#registration.close(renew);
    this.disconnect();
  }

  /** Ends all connections there are. */
  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Passes a registration on, when the kubelet can reach the plugin through us. */
  async #register(agent: Socket): Promise<void> {
    agent.pause();
    for (const name of readdirSync(this.folder).filter((each) => each.startsWith('slicewise-'))) {
      if (this.#plugins.has(name) || !name.endsWith('.sock')) continue;
      const server = createServer((kubelet) => this.#serve(kubelet, name));
      this.#plugins.set(name, server);
      await once(server.listen(join(this.#paths.devicePlugins, name)), 'listening');
    }
    this.#join(agent, connect(this.#paths.kubeletSocket));
    agent.resume();
  }

  #serve(kubelet: Socket, name: string): void {
    const connection = ++this.#connections;
    const counter = new CallCounter();
    const agent = connect(join(this.folder, name));
    let held = false;
    let call = 0;
    this.#join(kubelet, agent, {
      toPlugin: (bytes) => {
        for (let left = counter.count(bytes); left > 0; left -= 1) {
          call += 1;
          const verdict = this.judge({ connection, call });
          this.calls.push({ connection, call });
          if (verdict === 'cut') {
            kubelet.destroy();
            return false;
          }
          held ||= verdict === 'hold';
        }
        return true;
      },
      toKubelet: () => !held,
    });
  }

  /** Joins two connections for as long as both live. What is not to pass is dropped. */
  #join(
    one: Socket,
    other: Socket,
    passes?: Readonly<Record<'toPlugin' | 'toKubelet', (bytes: Buffer) => boolean>>,
  ): void {
    for (const socket of [one, other]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        one.destroy();
        other.destroy();
      });
    }
    one.on('data', (bytes: Buffer) => {
      if (passes?.toPlugin(bytes) ?? true) other.write(bytes);
    });
    other.on('data', (bytes: Buffer) => {
      if (passes?.toKubelet(bytes) ?? true) one.write(bytes);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.disconnect();
    this.#registration?.close();
    for (const server of this.#plugins.values()) server.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
