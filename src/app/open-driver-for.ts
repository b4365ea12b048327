import type { Config } from '../config/config.ts';
import type { Driver } from '../inventory/driver.ts';
import { type DriverDeps, type DriverOptions, openDriver } from '../inventory/open-driver.ts';
import { OperatorError } from '../lib/errors.ts';

/** Opens the driver that a config asks for. Opening starts at once, in the background; the first snapshot waits for it. */
export function openDriverFor({ flags }: Config, self: DriverOptions['self'], deps: DriverDeps): Driver {
  const { agent, plugin, deviceDiscoveryStrategy: strategy } = flags;
  // The config refuses it already; this is a second bolt, not the door.
  if (strategy === 'tegra')
    throw new OperatorError('not-in-this-version', 'tegra is not in this version yet');
  const options = {
    strategy,
    self,
    scenario: agent.scenario,
    nvmlLibrary: agent.nvmlLibrary,
    nvidiaSmi: agent.nvidiaSmi,
    driverRoot: flags.nvidiaDriverRoot,
    containerDriverRoot: plugin.containerDriverRoot,
    sysfsRoot: agent.sysfsRoot,
    procfsRoot: agent.procfsRoot,
  };
  return openDriver(options, deps);
}
