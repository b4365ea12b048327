import { setTimeout as delay } from 'node:timers/promises';
import { parseDurationMs } from '../config/duration.ts';
import { askDriverRelease, endDriverRelease, longestReleaseMs } from '../state/driver-release.ts';
import { askStatusOfAll } from '../status/ask-status.ts';
import { statusFolder } from '../status/status-socket.ts';
import { createParser, parseWith } from './commander.ts';
import { addStateFolderOptions, type StateFolderOptions, withStateFolder } from './state-folder.ts';
import type { ExitCode, RunCommand, Terminal } from './terminal.ts';

interface DriverOptions extends StateFolderOptions {
  readonly for?: string;
}

/** An agent looks each second, and a driver may take a while to close. */
const heardWithinMs = 30_000;
const lookEveryMs = 200;

/** `slicewise driver`: has the agents of this node close the driver for a while, so that a GPU can be reset; the kubelet is served on. */
export const runDriverCommand: RunCommand = async (args, terminal) => {
  let outcome: ExitCode = 0;
  const parser = createParser('slicewise driver', terminal)
    .description('The way to the GPU driver of this node. Needs root.')
    .helpCommand(false);
  addStateFolderOptions(parser.command('release'))
    .description(
      'Has the agents close the driver, so that a GPU can be reset. The kubelet is served on with what was known last.',
    )
    .option('--for <duration>', 'how long, at most 1h', '10m')
    .addHelpText('after', '\nExit codes: 0 closed, 1 not closed, 2 wrong use or config.\n')
    .action(async ({ for: duration = '10m', ...place }: DriverOptions) => {
      const ms = parseDurationMs(duration);
      if (ms === null || ms < 1000 || ms > longestReleaseMs) {
        terminal.stderr.write(
          `slicewise: --for ${duration} is not allowed; allowed: a duration 1s to 1h, for example 10m\n`,
        );
        outcome = 2;
        return;
      }
      outcome = await withStateFolder('driver', place, terminal, async (at) => {
        const until = Date.now() + ms;
        await askDriverRelease(at, until);
        if (await waitUntil(at, 'closed', terminal)) {
          terminal.stdout.write(`The driver is closed until ${new Date(until).toISOString()}.\n`);
          return 0;
        }
        await endDriverRelease(at);
        terminal.stderr.write("slicewise: not every agent has closed the driver; the agents' logs say why\n");
        return 1;
      });
    });
  addStateFolderOptions(parser.command('use'))
    .description('Has the agents use the driver again before the time is over.')
    .addHelpText('after', '\nExit codes: 0 used again, 1 not, 2 wrong use or config.\n')
    .action(async (place: StateFolderOptions) => {
      outcome = await withStateFolder('driver', place, terminal, async (at) => {
        await endDriverRelease(at);
        return (await waitUntil(at, 'used', terminal)) ? 0 : 1;
      });
    });
  return (await parseWith(parser, args)) ?? outcome;
};

/** Whether every agent of the node says so in time. */
async function waitUntil(
  stateDir: string,
  wanted: 'closed' | 'used',
  { signal }: Pick<Terminal, 'signal'>,
): Promise<boolean> {
  const end = performance.now() + heardWithinMs;
  while (performance.now() < end && !signal.aborted) {
    // One that does not answer may hold the driver.
    const agents = await askStatusOfAll(statusFolder(stateDir));
    const isClosed = agents?.map(({ status }) => status.inventory.driverClosedUntil !== null) ?? [null];
    if (isClosed.every((closed) => closed === (wanted === 'closed'))) return true;
    await delay(lookEveryMs);
  }
  return false;
}
