import type { status } from '@grpc/grpc-js';
import type { ContainerResponse } from '../allocation/response.ts';
import type { Latest } from '../lib/latest.ts';
import type { ResourceName } from '../resources/resource-name.ts';
import type { ListedDevice, PreferenceRequest } from './contract.ts';

/** What a plugin server needs to know of the resource that it serves; it knows nothing of GPUs. */
export interface ResourceHandlers {
  readonly resource: ResourceName;
  /**
   * True where a device is what the kubelet's books say, so that any agent of this node can answer; false where the ids are tied to
   * nothing and the agent that answers decides what they are.
   */
  readonly kubeletChooses: boolean;
  /** The whole list, newest first seen; every change is streamed to the kubelet. */
  readonly list: Latest<readonly ListedDevice[]>;
  /** Never throws or rejects: an error in GetPreferredAllocation fails the pod. */
  prefer(request: PreferenceRequest): readonly string[] | Promise<readonly string[]>;
  /**
   * Answers one container's request from memory; only where that says no, and the kubelet's own record may say otherwise, once that
   * record has been read anew.
   * @throws Refusal
   */
  allocate(ids: readonly string[]): ContainerResponse | Promise<ContainerResponse>;
}

/** A request that is turned down for a reason that the pod's author should read: it lands in the pod's status. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly kind: 'invalid-request' | 'not-available';

  constructor(kind: 'invalid-request' | 'not-available', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Hears what happens between the kubelet and the plugin, for metrics and probes. */
export interface KubeletObserver {
  registration(resource: ResourceName, result: 'accepted' | 'refused'): void;
  /** The kubelet has begun to listen to the resource's list, on the socket with this file name, or has stopped (`null`). */
  connected(resource: ResourceName, endpoint: string | null): void;
  /** Why the resource is not registered now, for a person; told while it is tried again. */
  unregistered(resource: ResourceName, reason: string): void;
  /** A call was turned down before any resource was asked: as a request it means nothing. */
  malformed(resource: ResourceName, problem: string): void;
  /** A call was answered; the list stream is not counted. */
  rpc(method: RpcMethod, code: StatusName, seconds: number): void;
}

export type RpcMethod =
  'GetDevicePluginOptions' | 'GetPreferredAllocation' | 'Allocate' | 'PreStartContainer';

/** A gRPC status by name, for example `OK`. */
export type StatusName = keyof typeof status;
