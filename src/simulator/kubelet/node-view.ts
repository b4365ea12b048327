import type { ListedDevice } from '../../kubelet/contract.ts';
import type { ResourceStatus } from './device-books.ts';
import type { EventOf, KubeletEvent } from './kubelet-events.ts';
import type { KubeletProcess, NodeState } from './kubelet-process.ts';
import type { Duplicate, Holding } from './node-pods.ts';
import type { Pod } from './pod.ts';

/** What can be seen of a node from outside: its pods, its devices, what happened; and waiting for any of it. */
export class NodeView {
  /** Things the plugin did that spoilt the kubelet's books. */
  readonly violations: readonly string[];
  readonly #node: NodeState;
  readonly #process: () => KubeletProcess | null;
  readonly #status = new Map<string, ResourceStatus>();

  /** @param process the kubelet process that runs now */
  constructor(node: NodeState, process: () => KubeletProcess | null) {
    this.#node = node;
    this.#process = process;
    this.violations = node.violations;
  }

  /** The folder of kubelet.sock, the plugins' sockets and the checkpoint. */
  get devicePluginFolder(): string {
    return this.#node.paths.devicePluginFolder;
  }

  get registrationSocket(): string {
    return this.#node.paths.registrationSocket;
  }

  get podResourcesSocket(): string {
    return this.#node.paths.podResourcesSocket;
  }

  /** Everything that happened since the start, in order, restarts included. */
  get events(): readonly KubeletEvent[] {
    return this.#node.events.all;
  }

  get pods(): readonly Pod[] {
    return this.#node.pods.all;
  }

  /** What each running container was started with: the runtime's truth, whatever the kubelet remembers. */
  holdings(): readonly Holding[] {
    return this.#node.pods.holdings();
  }

  /** Ids with which several running containers were started; always empty when nothing is booked twice. */
  duplicates(): readonly Duplicate[] {
    return this.#node.pods.duplicates();
  }

  /** The newest list of a resource that this kubelet process received; empty when none. */
  devices(resource: string): readonly ListedDevice[] {
    return [...(this.#process()?.manager.books.listed.get(resource)?.values() ?? [])];
  }

  /**
   * Capacity and allocatable by resource, as the kubelet is about to report them. While it is down: as last asked for.
   * A resource once seen keeps its key, with zeros.
   */
  nodeStatus(): Readonly<Record<string, ResourceStatus>> {
    const counted = this.#process()?.manager.countCapacity();
    if (counted !== undefined) {
      for (const resource of [...this.#status.keys(), ...counted.forgotten])
        this.#status.set(resource, { capacity: 0, allocatable: 0 });
      for (const [resource, counts] of counted.status) this.#status.set(resource, counts);
    }
    return Object.fromEntries(this.#status);
  }

  /** Resolves when exactly `count` devices are allocatable; throws after `deadlineMs` real milliseconds. */
  async waitForAllocatable(resource: string, count: number, deadlineMs: number = 10_000): Promise<void> {
    await this.waitUntil(
      () => this.nodeStatus()[resource]?.allocatable === count,
      deadlineMs,
      () => `${resource} allocatable ${String(count)}; now ${JSON.stringify(this.nodeStatus())}`,
    );
  }

  /** Resolves when the condition holds; asked after every event. Throws after `deadlineMs` with what was meant. */
  async waitUntil(accepts: () => boolean, deadlineMs: number, what: () => string): Promise<void> {
    await this.#node.events.until(() => (accepts() ? true : undefined), deadlineMs, what);
  }

  /**
   * The first event of a kind that `where` accepts, at or after index `from` of `events`; waits for it if need be, and
   * throws after `deadlineMs` real milliseconds (default 10,000).
   */
  waitForEvent<Kind extends KubeletEvent['kind']>(
    kind: Kind,
    options: { from?: number; deadlineMs?: number; where?: (event: EventOf<Kind>) => boolean } = {},
  ): Promise<EventOf<Kind>> {
    const { from = 0, deadlineMs = 10_000, where } = options;
    const isWanted = (event: KubeletEvent): event is EventOf<Kind> =>
      event.kind === kind && (where?.(event as EventOf<Kind>) ?? true);
    return this.#node.events.until(
      () => this.events.slice(from).find(isWanted),
      deadlineMs,
      () => `the event "${kind}" after the first ${String(from)} events`,
    );
  }
}
