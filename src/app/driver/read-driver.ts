import type { Driver } from '../../inventory/driver.ts';
import { Latest } from '../../lib/latest.ts';
import type { Metrics } from '../../metrics/collect.ts';
import { useUnlessReleased } from './driver-release.ts';
import { keepInventory, type InventoryLoopDeps } from './inventory-loop.ts';
import type { Node } from '../node.ts';
import { runTogether } from '../supervise.ts';
import { HealthWatch } from '../health/watch-health.ts';

export interface ReadDriverDeps extends Omit<InventoryLoopDeps, 'hear' | 'due'> {
  readonly metrics: Pick<Metrics, 'xid'>;
}

/** The same from the driver that it opens and closes, but while an admin wants the driver left alone. Ends with the signal. */
export async function readDriverUnlessReleased(
  node: Pick<Node, 'inventory' | 'health' | 'driverRelease'>,
  { openDriver, ...deps }: Omit<ReadDriverDeps, 'driver'> & { readonly openDriver: () => Driver },
  signal: AbortSignal,
): Promise<void> {
  await useUnlessReleased(
    node.driverRelease,
    async (stop) => {
      await using driver = openDriver();
      await readDriver(node, { ...deps, driver }, stop);
    },
    {
      log: deps.log,
      onClosed: (until) =>
        node.health.learn({
          kind: 'blind',
          reason: `the driver is closed until ${new Date(until).toISOString()}, as an admin wants it`,
        }),
    },
    signal,
  );
}

/** Learns all that one driver says of the node: which GPUs there are, and how they are. Ends with the signal. */
async function readDriver(
  node: Pick<Node, 'inventory' | 'health'>,
  deps: ReadDriverDeps,
  signal: AbortSignal,
): Promise<void> {
  const due = new Latest(0);
  const watch = new HealthWatch(node, { ...deps, readAgain: () => due.set(due.value + 1) });
  await runTogether(
    [
      (until) => keepInventory(node.inventory, { ...deps, due, hear: (event) => watch.hear(event) }, until),
      (until) => watch.run(until),
    ],
    signal,
  );
}
