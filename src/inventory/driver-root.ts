import { existsSync } from 'node:fs';

export interface DriverRootOptions {
  /** Root of the driver's installation on the host. */
  readonly driverRoot: string;
  /** Where that root is mounted in our container; outside of a container there is no such folder. */
  readonly containerDriverRoot: string;
}

/** The folder under which we see the driver's installation. */
export function findDriverRoot({ containerDriverRoot, driverRoot }: DriverRootOptions): string {
  return existsSync(containerDriverRoot) ? containerDriverRoot : driverRoot;
}
