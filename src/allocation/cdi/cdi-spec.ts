/**
 * A CDI spec: what a container runtime adds to a container for each device that is asked for by name. Field names are those of
 * the file (container-device-interface, SPEC.md).
 */
export interface CdiSpec {
  readonly cdiVersion: string;
  /** `vendor/class`. */
  readonly kind: string;
  readonly devices: readonly CdiDevice[];
  /** Made once for a container that is given any of the devices. */
  readonly containerEdits?: ContainerEdits;
}

interface CdiDevice {
  readonly name: string;
  readonly containerEdits: ContainerEdits;
}

export interface ContainerEdits {
  /** `NAME=value`; wins over what the pod says. */
  readonly env?: readonly string[];
  readonly deviceNodes?: readonly CdiDeviceNode[];
  readonly hooks?: readonly CdiHook[];
  readonly mounts?: readonly CdiMount[];
}

/** Major, minor and mode are left to the runtime, which looks at the node when it makes the container. */
export interface CdiDeviceNode {
  readonly path: string;
  /** Left out where it is the same as `path`. */
  readonly hostPath?: string;
  /** Any of `r`, `w`, `m`. */
  readonly permissions: string;
}

export interface CdiMount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly options: readonly string[];
}

/** A program on the host that the runtime runs for the container. */
export interface CdiHook {
  readonly hookName: 'createContainer';
  readonly path: string;
  /** The program's own name is the first. */
  readonly args: readonly string[];
  readonly env: readonly string[];
}

/** A spec of the lowest version that has what the devices and edits use; devices in the given order. */
export function makeSpec(kind: string, devices: readonly CdiDevice[], common: ContainerEdits = {}): CdiSpec {
  const edits = withoutEmpty(common);
  const spec = {
    kind,
    devices: devices.map(({ name, containerEdits }) => ({
      name,
      containerEdits: withoutEmpty(containerEdits),
    })),
    ...(Object.keys(edits).length > 0 && { containerEdits: edits }),
  };
  return { cdiVersion: minimumVersion(spec), ...spec };
}

/** The text of a spec's file; equal specs have equal texts. */
export function renderSpec(spec: CdiSpec): string {
  return `${JSON.stringify(spec, null, 2)}\n`;
}

/**
 * The lowest version that has what the spec uses: old runtimes refuse a file with a version that they do not know. `hostPath` of
 * a device node and names that begin with a digit came with 0.5.0, dots in a class with 0.6.0 (specs-go/version.go).
 */
export function minimumVersion({
  kind,
  devices,
  containerEdits,
}: Pick<CdiSpec, 'kind' | 'devices' | 'containerEdits'>): string {
  if ((kind.split('/')[1] ?? '').includes('.')) return '0.6.0';
  const edits = [containerEdits, ...devices.map((device) => device.containerEdits)];
  const movesNodes = edits.some((each) => each?.deviceNodes?.some(({ hostPath }) => hostPath !== undefined));
  return movesNodes || devices.some(({ name }) => /^\d/.test(name)) ? '0.5.0' : '0.3.0';
}

function withoutEmpty({ env, deviceNodes, hooks, mounts }: ContainerEdits): ContainerEdits {
  return {
    ...(env !== undefined && env.length > 0 && { env }),
    ...(deviceNodes !== undefined && deviceNodes.length > 0 && { deviceNodes }),
    ...(hooks !== undefined && hooks.length > 0 && { hooks }),
    ...(mounts !== undefined && mounts.length > 0 && { mounts }),
  };
}
