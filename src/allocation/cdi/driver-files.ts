import type { NodePath } from '../../inventory/device-nodes.ts';

/** A file, socket or device node of the host, and where a container has it. */
export type HostFile = NodePath;

/** A symbolic link to make in a container. */
export interface SymbolicLink {
  /** What the link says; relative to the link's own folder, or absolute. */
  readonly target: string;
  readonly path: string;
}

/** What of the driver's installation a container needs to use a GPU. Everything in a fixed order. */
export interface DriverFiles {
  /** Version of the libraries; `null` when there are none. */
  readonly version: string | null;
  readonly libraries: readonly HostFile[];
  /** Beside the libraries, for example `libcuda.so`. */
  readonly links: readonly SymbolicLink[];
  /** Programs and firmware. */
  readonly others: readonly HostFile[];
  /** Sockets, and folders of sockets, of the driver's services. */
  readonly sockets: readonly HostFile[];
}

/** A driver of which nothing was found. */
export const noDriverFiles: DriverFiles = {
  version: null,
  libraries: [],
  links: [],
  others: [],
  sockets: [],
};

/** Folders of the libraries as a container has them, each once. */
export function libraryFolders({ libraries }: Pick<DriverFiles, 'libraries'>): readonly string[] {
  return [
    ...new Set(libraries.map(({ containerPath }) => containerPath.slice(0, containerPath.lastIndexOf('/')))),
  ];
}
