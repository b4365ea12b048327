import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeptHoldings } from '../../allocation/holdings/kept-holdings.ts';
import { describeError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { readBootId } from '../../state/boot-id.ts';
import { readState, stateFileName } from '../../state/state-file.ts';

export interface RecallDeps {
  readonly stateDir: string;
  readonly procfsRoot: string;
  readonly log: Log;
}

/** What an earlier run has kept in this boot; of another boot nothing runs any more. Never rejects. */
export async function recallState({ stateDir, procfsRoot, log }: RecallDeps): Promise<KeptHoldings | null> {
  const [bootId, reading] = await Promise.all([
    readBootId(procfsRoot).catch(() => null),
    readState(stateDir),
  ]);
  if (reading.kind === 'absent') return null;
  if (reading.kind === 'unusable') {
    log.warn(`what the agent knew before it was restarted is lost: ${reading.reason}`);
    return null;
  }
  const { state } = reading;
  // Where the kernel does not say which boot this is, nothing is kept: this cannot be of this boot.
  if (bootId !== null && state.bootId === bootId) return state.holdings;
  const { length: orphans } = state.holdings.orphans;
  log.info({ orphans }, 'the node was rebooted: containers that the kubelet had lost before have ended');
  await rm(join(stateDir, stateFileName), { force: true }).catch((thrown: unknown) =>
    log.debug(describeError(thrown)),
  );
  return null;
}
