import koffi from 'koffi';
import { systemClock } from '../../lib/clock.ts';
import { toError } from '../../lib/errors.ts';
import { DriverError } from '../driver.ts';
import type { HostFailure, HostMessage, HostReply, HostRequest } from './protocol.ts';
import { Session } from './session.ts';
import { defaultDeadlines } from './trouble.ts';

/**
 * The helper process that holds the driver library: it may crash or hang in the driver without taking the agent along.
 * It reads GPUs only on request, follows events between requests, and is ended by its parent; signals sent to the whole process group are the
 * parent's to answer.
 * @param args driver root, procfs root, and the operator's choice of library, if any
 */
export async function runNvmlHost(args: string[]): Promise<void> {
  const [driverRoot = '/', procfsRoot = '/proc', library = null] = args;
  if (process.send === undefined) {
    process.stderr.write("slicewise: 'nvml-host' is started by the agent itself, not by hand.\n");
    process.exitCode = 2;
    return;
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP'] as const) process.on(name, () => {});
  dieWithParent();
  const send = (message: HostMessage): void => void process.send?.(message);
  let session: Session | null = null;
  const answer = async (request: HostRequest): Promise<HostMessage> => {
    try {
      session ??= new Session({
        library,
        driverRoot,
        procfsRoot,
        clock: systemClock,
        callMs: request.ask === 'open' ? request.callMs : defaultDeadlines.callMs,
        onStep: (step) => send({ step }),
        onNews: (news) => send({ news }),
      });
      return { id: request.id, answer: await reply(session, request) };
    } catch (thrown) {
      return { id: request.id, failure: toFailure(thrown) };
    }
  };
  const { promise, resolve } = Promise.withResolvers<void>();
  process.on('message', (request: HostRequest) => void answer(request).then(send));
  process.once('disconnect', resolve);
  await promise;
  process.exit(0);
}

async function reply(session: Session, request: HostRequest): Promise<HostReply> {
  switch (request.ask) {
    case 'open':
      return null;
    case 'snapshot':
      return await session.snapshot(request.leaveOut, request.unwatched);
    case 'mig':
      return session.migChange(request.leaveOut);
    case 'signs':
      return session.signs(request.leaveOut);
  }
}

function toFailure(thrown: unknown): HostFailure {
  if (thrown instanceof DriverError) return { code: thrown.code, message: thrown.message };
  return { code: 'driver-failed', message: `The NVIDIA driver cannot be read: ${toError(thrown).message}` };
}

/**
 * Asks the kernel to kill this process when its parent ends. The closed channel tells it too, but not while a call hangs
 * in the driver.
 */
function dieWithParent(): void {
  const prctl = koffi
    .load(null)
    .func('int prctl(int option, unsigned long value, unsigned long a, unsigned long b, unsigned long c)');
  prctl(setParentDeathSignal, sigkill, 0, 0, 0);
}

/** `PR_SET_PDEATHSIG` of Linux' `prctl.h`. */
const setParentDeathSignal = 1;
const sigkill = 9;
