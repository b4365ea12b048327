import { capOf } from '../allocation/memory/memory-view.ts';
import { promisedUnits } from '../allocation/promise.ts';
import type { MemoryTerms } from '../app/books/books.ts';
import { planNodeMemory, withoutMemoryOnly } from '../app/offers/memory-terms.ts';
import { driverSettings, resourceSettings } from '../app/settings.ts';
import type { Config } from '../config/config.ts';
import { formatMemory } from '../config/file-values.ts';
import { openDriver } from '../inventory/open-driver.ts';
import { systemClock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { memoryResource } from '../resources/memory-units.ts';
import { hardwareUuid, type PlannedDevice } from '../resources/planned-device.ts';
import { planResources } from '../resources/plan.ts';
import { joinRemarks } from '../resources/remark.ts';
import { count } from './status-words.ts';
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
    const plan = planResources(snapshot, resourceSettings(config));
    const memory = planNodeMemory(config.memory, { snapshot, ...plan, ...nothingAmiss });
    const { degradations, notices } = joinRemarks(plan, memory.remarks);
    const rows = [
      ...withoutMemoryOnly(plan.resources, memory.terms.plan.memoryOnly).map(({ resource, devices }) => [
        resource,
        String(devices.length),
        describeDevices(devices),
      ]),
      ...describeMemory(memory.terms),
    ];
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

/** What only an agent that runs knows of. */
const nothingAmiss = { nodeFault: null, faults: new Map<string, string>(), needsDeviceNode: false };

/** `79 units of 1Gi on each of 8 GPUs, 86 of them promised while all are free`, or how many on each where they differ. */
function describeMemory({ plan, maxPerContainer, fit }: MemoryTerms): readonly (readonly string[])[] {
  const { gpus, units, unitMiB } = plan;
  if (gpus.length === 0) return [];
  const holes = gpus.map((gpu) => gpu.units);
  const each = [...new Set(holes)].join(', ');
  const where = gpus.length === 1 ? '1 GPU' : `each of ${gpus.length} GPUs`;
  const cap = capOf({ plan, maxPerContainer });
  const promised = promisedUnits({ fit, holes, cap, damping: null, nowMs: 0 });
  const shown = promised === units ? '' : `, ${promised} of them promised while all are free`;
  return [[memoryResource, String(units), `${each} units of ${formatMemory(unitMiB)} on ${where}${shown}`]];
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
