import type { Clock } from '../lib/clock.ts';
import { OperatorError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { chooseDriver } from './auto-driver.ts';
import { OncePerSource } from './count-once.ts';
import { findDriverRoot, type DriverRootOptions } from './driver-root.ts';
import type { Driver, DriverEvent } from './driver.ts';
import type { Snapshot } from './gpu.ts';
import { withKernelLog } from './kernel-log/with-kernel-log.ts';
import { rememberLost } from './known-gpus.ts';
import { namePlace, rememberLostSigns } from './known-signs.ts';
import { openLazily } from './lazy-driver.ts';
import { withMigCapabilities } from './mig-capabilities.ts';
import { withNumaFromSysfs } from './numa.ts';
import type { NvmlDriverOptions } from './nvml/client.ts';
import { withPciClass } from './pci-class.ts';

export interface DriverOptions extends DriverRootOptions {
  readonly strategy: 'auto' | 'nvml' | 'smi' | 'simulated';
  /** A preset's name or a file's path; with `auto` it takes the place of real GPUs. */
  readonly scenario: string | null;
  /** The library to load; null searches for it. */
  readonly nvmlLibrary: string | null;
  /** The program to call; null searches for it. */
  readonly nvidiaSmi: string | null;
  readonly sysfsRoot: string;
  readonly procfsRoot: string;
  /** The kernel log to read XIDs from as well, which is `/dev/kmsg`; null for none. */
  readonly kernelLog: string | null;
  /** How this program is started again, for the helper process of nvml. */
  readonly self: NvmlDriverOptions['self'];
}

export interface DriverDeps {
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * The driver that the options ask for. Real GPUs get their NUMA node and their MIG instances' device nodes from the kernel; a
 * GPU that falls off the bus keeps its identity.
 * @throws OperatorError `no-scenario` for `simulated` without a scenario
 */
export function openDriver(options: DriverOptions, deps: DriverDeps): Driver {
  return withLostGpus(openStrategy(options, deps), deps.clock);
}

function openStrategy(options: DriverOptions, deps: DriverDeps): Driver {
  const strategy = options.strategy === 'auto' && options.scenario !== null ? 'simulated' : options.strategy;
  switch (strategy) {
    case 'simulated':
      return openSimulated(options.scenario, deps);
    case 'nvml':
      return withKernelFacts(openNvml(options, deps), options, deps);
    case 'smi':
      return withKernelFacts(openSmi(options, deps), options, deps);
    case 'auto': {
      const nvml = { name: 'nvml', open: () => openNvml(options, deps) };
      const smi = { name: 'smi', open: () => openSmi(options, deps) };
      return withKernelFacts(chooseDriver([nvml, smi], deps.log), options, deps);
    }
  }
}

/** What the kernel tells of real GPUs, whoever reads them. */
function withKernelFacts(driver: Driver, options: DriverOptions, deps: DriverDeps): Driver {
  const known = withMigCapabilities(withPciClass(withNumaFromSysfs(driver, options), options), options);
  return options.kernelLog === null ? known : withKernelLog(known, { path: options.kernelLog }, deps);
}

function openSimulated(scenario: string | null, deps: DriverDeps): Driver {
  if (scenario === null)
    throw new OperatorError(
      'no-scenario',
      'The discovery strategy "simulated" needs a scenario; give --scenario a preset or a file',
    );
  return openLazily(async () => {
    const { createSimulatedDriver } = await import('./simulated/simulated-driver.ts');
    return createSimulatedDriver({ scenario }, deps);
  });
}

function openNvml(options: DriverOptions, deps: DriverDeps): Driver {
  return openLazily(async () => {
    const { createNvmlDriver } = await import('./nvml/client.ts');
    const driverRoot = findDriverRoot(options);
    const { nvmlLibrary: library, procfsRoot, self } = options;
    return createNvmlDriver({ library, driverRoot, procfsRoot, self }, deps);
  });
}

function openSmi(options: DriverOptions, deps: DriverDeps): Driver {
  const { nvidiaSmi, containerDriverRoot, driverRoot } = options;
  return openLazily(async () => {
    const { createSmiDriver } = await import('./smi/smi-driver.ts');
    // A program named by the operator is the only one: another in its place would hide a typing error.
    if (nvidiaSmi !== null) return createSmiDriver({ program: nvidiaSmi }, deps);
    return createSmiDriver({ program: 'nvidia-smi', driverRoots: [containerDriverRoot, driverRoot] }, deps);
  });
}

/** Each snapshot is seen with the one before it, and what is told of a GPU with the last one. */
function withLostGpus(driver: Driver, clock: Clock): Driver {
  let previous: Snapshot | null = null;
  const once = new OncePerSource(clock);
  return {
    async snapshot() {
      const current = await driver.snapshot();
      previous = rememberLost(previous, current);
      return previous;
    },
    async signs() {
      return rememberLostSigns(previous, await driver.signs());
    },
    async *events(signal): AsyncGenerator<DriverEvent, void, void> {
      for await (const event of driver.events(signal)) {
        const named = namePlace(previous, event);
        if (named.kind !== 'incident') yield named;
        else {
          const incident = once.take(named.incident);
          if (incident !== null) yield { kind: 'incident', incident };
        }
      }
    },
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  };
}
