/** What the container runtime is told to add to one container, in the terms of the device plugin API. */
export interface ContainerResponse {
  readonly envs: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly devices: readonly DeviceNode[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Fully qualified CDI names: `vendor/class=name`. */
  readonly cdiDevices: readonly string[];
}

export interface Mount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly readOnly: boolean;
}

export interface DeviceNode {
  readonly hostPath: string;
  readonly containerPath: string;
  /** Any of `r`, `w`, `m`. */
  readonly permissions: string;
}
