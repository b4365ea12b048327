import { dirname } from 'node:path';
import { ownKind } from '../../allocation/cdi/cdi-names.ts';
import { NodeDescriber } from '../../cdi/describe-node.ts';
import { SpecFolder } from '../../cdi/spec-folder.ts';
import { findDriverRoot } from '../../inventory/driver-root.ts';
import { mayBeGivenAgain } from '../../kubelet/recorded-answers.ts';
import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { keepCdi } from './keep-cdi.ts';
import type { Node } from '../node.ts';
import type { DescribeSettings } from '../settings.ts';
import { runTogether } from '../supervise.ts';

const sweepMs = 300_000;

/**
 * Puts each reading of the GPUs into `described`, with what runtimes know of it where containers are given devices by CDI name.
 * Where they are not, our specs of an earlier config are removed once no container can be started with them again.
 */
export async function describeReadings(
  node: Pick<Node, 'inventory' | 'described' | 'holdsLock'>,
  { offers, cdi, kubeletSocket }: DescribeSettings,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
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
    return keepCdi(node, { settings: offers, describer, folder, clock, log }, signal);
  }
  await runTogether(
    [
      (until) =>
        node.inventory.each(({ reading }) => {
          if (reading !== null) node.described.set({ reading, settings: offers, cdi: null });
        }, until),
      async (until) => {
        while (!until.aborted) {
          await node.holdsLock.until((holds) => holds, until);
          await folder.sync(new Map()).catch((thrown: unknown) => log.debug(describeError(thrown)));
          await clock.sleep(sweepMs, until);
        }
      },
    ],
    signal,
  );
}
