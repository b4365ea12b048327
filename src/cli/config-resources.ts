import { driverSettings, resourceSettings } from '../app/settings.ts';
import type { Config } from '../config/config.ts';
import { openDriver } from '../inventory/open-driver.ts';
import { systemClock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { hardwareUuid, type PlannedDevice } from '../resources/planned-device.ts';
import { planResources } from '../resources/plan.ts';
import type { ExitCode, Terminal } from './terminal.ts';
import { textTable } from './text-table.ts';

/** Reads this node's GPUs and prints what the configuration makes of them: resources, and what cannot be done as asked. */
export async function printResources(config: Config, terminal: Terminal): Promise<ExitCode> {
  await using driver = openDriver(
    { ...driverSettings(config), self: terminal.self },
    { clock: systemClock, log: silentLog() },
  );
  try {
    const snapshot = await driver.snapshot();
    const { resources, degradations, notices } = planResources(snapshot, resourceSettings(config));
    const rows = resources.map(({ resource, devices }) => [
      resource,
      String(devices.length),
      describeDevices(devices),
    ]);
    terminal.stdout.write(
      rows.length === 0 ? 'No resource.\n' : textTable([['RESOURCE', 'DEVICES', 'FROM'], ...rows]),
    );
    for (const { message } of degradations) terminal.stdout.write(`Not as asked: ${message}\n`);
    for (const notice of notices) terminal.stdout.write(`Note: ${notice}\n`);
    return 0;
  } catch (thrown) {
    terminal.stderr.write(`slicewise: the GPUs of this node cannot be read: ${describeError(thrown)}\n`);
    return 1;
  }
}

/** `2 GPUs, 4 MIG instances on 1 GPU`, with what is out of order. */
function describeDevices(devices: readonly PlannedDevice[]): string {
  const hardware = [...new Map(devices.map((device) => [hardwareUuid(device), device])).values()];
  const instances = hardware.filter(({ mig }) => mig !== null);
  const whole = hardware.length - instances.length;
  const parents = new Set(instances.map(({ gpu }) => gpu.uuid)).size;
  const sick = hardware.filter(({ fault }) => fault !== null).length;
  return [
    ...(whole > 0 ? [count(whole, 'GPU')] : []),
    ...(instances.length > 0
      ? [`${count(instances.length, 'MIG instance')} on ${count(parents, 'GPU')}`]
      : []),
    ...(devices.length > hardware.length ? ['in time slices'] : []),
    ...(sick > 0 ? [`${sick} of them Unhealthy`] : []),
  ].join(', ');
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
