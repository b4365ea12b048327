import type { LockWait } from '../../kubelet/lock.ts';
import { Latest } from '../../lib/latest.ts';
import type { ResourceName } from '../../resources/resource-name.ts';

/** Where the agent stands towards other agents and the kubelet; read by the readiness probe. */
export class ServingState {
  #waiting: string | null = 'starting';
  #standingBy = false;
  /** Set anew whenever the kubelet began or stopped to read a list. */
  readonly changes = new Latest<null>(null);
  readonly #connected = new Map<ResourceName, boolean>();
  readonly #reasons = new Map<ResourceName, string>();

  /** What keeps the agent from serving, for example another agent; `null` while it serves. */
  get waitingFor(): string | null {
    return this.#waiting;
  }

  /** Another agent holds the lock: this one is ready to take over. */
  get standingBy(): boolean {
    return this.#standingBy;
  }

  waiting(wait: LockWait): void {
    this.#waiting = wait.reason;
    this.#standingBy = wait.kind === 'other-agent';
  }

  serving(): void {
    this.#waiting = null;
    this.#standingBy = false;
  }

  connected(resource: ResourceName, connected: boolean): void {
    this.#connected.set(resource, connected);
    this.changes.set(null);
  }

  isConnected(resource: ResourceName): boolean {
    return this.#connected.get(resource) === true;
  }

  unregistered(resource: ResourceName, reason: string): void {
    this.#reasons.set(resource, reason);
  }

  /** Why the resource was last seen not registered; `null` before the first try has ended. */
  whyUnregistered(resource: ResourceName): string | null {
    return this.#reasons.get(resource) ?? null;
  }
}
