import { dirname } from 'node:path';
import { ownKind } from '../allocation/cdi-names.ts';
import { NodeDescriber, type DescribeOptions } from '../cdi/describe-node.ts';
import { SpecFolder } from '../cdi/spec-folder.ts';
import { findDriverRoot } from '../inventory/driver-root.ts';
import { mayBeGivenAgain } from '../kubelet/recorded-answers.ts';
import type { Clock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import type { Latest } from '../lib/latest.ts';
import type { Log } from '../lib/log.ts';
import type { InventoryState } from './inventory-loop.ts';
import { keepCdi, type DescribedReading } from './keep-cdi.ts';
import { runTogether } from './supervise.ts';

/** How containers are given devices by CDI name. */
export interface CdiSettings extends Omit<DescribeOptions, 'seenAt'> {
  /** Whether an answer has CDI names at all. */
  readonly inUse: boolean;
  readonly containerDriverRoot: string;
}

export interface DescribeReadingsDeps {
  readonly cdi: CdiSettings;
  readonly kubeletSocket: string;
  readonly clock: Clock;
  readonly log: Log;
}

const sweepMs = 300_000;

/**
 * Puts each reading of the GPUs into `described`, with what runtimes know of it where containers are given devices by CDI name.
 * Where they are not, our specs of an earlier config are removed once no container can be started with them again.
 */
export async function describeReadings(
  inventory: Latest<InventoryState>,
  described: Latest<DescribedReading | null>,
  serving: Latest<boolean>,
  { cdi, kubeletSocket, clock, log }: DescribeReadingsDeps,
  signal: AbortSignal,
): Promise<void> {
  const folder = new SpecFolder(cdi.cdiRoot, {
    clock,
    log,
    isHeld: (cdiClass) => mayBeGivenAgain(dirname(kubeletSocket), `${ownKind(cdiClass)}=`),
  });
  if (cdi.inUse) {
    const seenAt = findDriverRoot({ containerDriverRoot: cdi.containerDriverRoot, driverRoot: cdi.onHost });
    const describer = new NodeDescriber({ ...cdi, seenAt });
    return keepCdi(inventory, described, serving, { describer, folder, clock, log }, signal);
  }
  await runTogether(
    [
      async (until) => {
        for await (const { reading } of inventory.values(until))
          if (reading !== null) described.set({ reading, cdi: null });
      },
      async (until) => {
        while (!until.aborted) {
          await serving.until((is) => is, until);
          await folder.sync(new Map()).catch((thrown: unknown) => log.debug(describeError(thrown)));
          await clock.sleep(sweepMs, until);
        }
      },
    ],
    signal,
  );
}
