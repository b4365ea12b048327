import type { ContainerResponse } from '../allocation/response.ts';

/** The device plugin API version that every kubelet since 1.10 speaks. */
export const apiVersion = 'v1beta1';

/** A device as the kubelet sees it. Anything but `Healthy` counts as capacity and not as allocatable. */
export interface ListedDevice {
  readonly id: string;
  readonly health: 'Healthy' | 'Unhealthy';
  /** NUMA node for the kubelet's topology hints; `null` gives none. */
  readonly numaNode: number | null;
}

export interface PluginOptions {
  readonly preStartRequired: boolean;
  readonly preferredAllocationAvailable: boolean;
}

export interface RegisterRequest {
  readonly version: string;
  /** File name of the plugin's socket, in the folder of kubelet.sock. */
  readonly endpoint: string;
  readonly resourceName: string;
  readonly options: PluginOptions;
}

/** What the kubelet asks for one container in GetPreferredAllocation. */
export interface PreferenceRequest {
  readonly availableIds: readonly string[];
  /** Ids that the answer has to contain, for example those of the pod's init containers. */
  readonly requiredIds: readonly string[];
  readonly size: number;
}

/** Ids asked for (Allocate) or proposed (GetPreferredAllocation), one list for each container. */
export type IdsByContainer = readonly (readonly string[])[];

/** Device ids of one resource; the pod resources API may show a resource in several parts. */
export interface ResourceDevices {
  readonly resourceName: string;
  readonly deviceIds: readonly string[];
}

/** What a running container holds, as the pod resources API shows it. */
export interface ContainerDevices extends ResourceDevices {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** An Allocate answer, one element for each container. */
export type AllocateAnswer = readonly ContainerResponse[];
