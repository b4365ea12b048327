import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import type { NodeStatus } from '../allocation/status/node-status.ts';
import { OperatorError, systemErrorCode } from '../lib/errors.ts';
import { checkOwnFolder } from '../lib/own-folder.ts';
import { findStatusSockets, type StatusRefusal, type StatusRequest } from './status-socket.ts';

/** How long an agent may take to answer. */
const answerWithinMs = 5000;

/** An agent that answers. */
export interface AskedAgent {
  readonly socket: string;
  readonly status: NodeStatus;
}

/**
 * The status of the node, from the agent that serves it, or from another one where none does.
 * @throws OperatorError `no-agent` when none answers, `not-allowed` for who is not root, `not-ours` where anybody could answer
 */
export async function askStatus(folder: string): Promise<AskedAgent> {
  const asked = await askEveryStatus(folder);
  const best = asked.find(({ status }) => status.agent.role === 'serving') ?? asked[0];
  if (best === undefined) throw noAgent(folder, []);
  return best;
}

/** The status of every agent that answers. @throws OperatorError as `askStatus` */
async function askEveryStatus(folder: string): Promise<readonly AskedAgent[]> {
  const sockets = await findSockets(folder);
  const answers = await Promise.allSettled(sockets.map((socket) => askOnce(socket)));
  const asked = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  if (asked.length > 0) return asked;
  const failed = answers.find((answer) => answer.status === 'rejected' && !isDead(answer.reason));
  throw failed?.status === 'rejected' ? forPeople(failed.reason, folder) : noAgent(folder, sockets);
}

/** The same, or `null` where an agent that runs does not answer. @throws OperatorError as `askStatus` */
export async function askStatusOfAll(folder: string): Promise<readonly AskedAgent[] | null> {
  const sockets = await findSockets(folder);
  const answers = await Promise.allSettled(sockets.map((socket) => askOnce(socket)));
  const asked = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const failed = answers.find((answer) => answer.status === 'rejected' && !isDead(answer.reason));
  if (failed?.status === 'rejected') {
    const reason = forPeople(failed.reason, folder);
    if (reason instanceof OperatorError && reason.code === 'not-allowed') throw reason;
    return null;
  }
  if (asked.length === 0) throw noAgent(folder, sockets);
  return asked;
}

/** The status at once and after each change, until the agent ends or the signal aborts. */
export async function* watchStatus(
  socket: string,
  signal: AbortSignal,
): AsyncGenerator<NodeStatus, void, void> {
  const connection = await connect(socket, 'watch');
  const hangUp = (): void => void connection.destroy();
  signal.addEventListener('abort', hangUp, { once: true });
  try {
    if (signal.aborted) return;
    for await (const line of linesOf(connection)) yield readStatus(line, socket);
  } finally {
    signal.removeEventListener('abort', hangUp);
    connection.destroy();
  }
}

async function askOnce(socket: string): Promise<AskedAgent> {
  const connection = await connect(socket, 'status');
  connection.setTimeout(answerWithinMs, () => connection.destroy());
  try {
    for await (const line of linesOf(connection)) return { socket, status: readStatus(line, socket) };
  } finally {
    connection.destroy();
  }
  throw new OperatorError('no-answer', `The agent at ${socket} did not answer`);
}

async function connect(socket: string, request: StatusRequest): Promise<Socket> {
  const connection = createConnection(socket);
  await once(connection, 'connect');
  connection.on('error', () => undefined);
  connection.write(`${request}\n`);
  return connection;
}

/** What is said until the connection ends, from whichever side. Not by node:readline, which never hears of a `destroy`. */
async function* linesOf(connection: Socket): AsyncGenerator<string, void, void> {
  let rest = '';
  connection.setEncoding('utf8');
  try {
    for await (const part of connection as AsyncIterable<string>) {
      const lines = (rest + part).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } catch (thrown) {
    if (!connection.destroyed) throw thrown;
  }
}

function readStatus(line: string, socket: string): NodeStatus {
  const answer = JSON.parse(line) as NodeStatus | StatusRefusal;
  if ('error' in answer)
    throw new OperatorError('refused', `The agent at ${socket} refused to answer: ${answer.error}`);
  if (answer.format !== 1)
    throw new OperatorError(
      'other-version',
      `The agent at ${socket} is of another version and answers in a form that this one cannot read: use its own slicewise`,
    );
  return answer;
}

async function findSockets(folder: string): Promise<readonly string[]> {
  try {
    await checkOwnFolder(folder);
    return await findStatusSockets(folder);
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return [];
    throw forPeople(thrown, folder);
  }
}

function isDead(thrown: unknown): boolean {
  return ['ECONNREFUSED', 'ENOENT'].includes(systemErrorCode(thrown) ?? '');
}

function noAgent(folder: string, dead: readonly string[]): OperatorError {
  const found =
    dead.length === 0
      ? `there is no socket of one in ${folder}`
      : `nobody listens on ${dead.join(', ')} any more`;
  return new OperatorError(
    'no-agent',
    `No agent runs here: ${found}. Run this where the agent runs, which in a cluster is inside of its pod ` +
      "(kubectl exec), and with the agent's own --state-dir if that is another one.",
  );
}

function forPeople(thrown: unknown, folder: string): unknown {
  if (thrown instanceof OperatorError) return thrown;
  const code = systemErrorCode(thrown);
  if (code === 'EACCES' || code === 'EPERM')
    return new OperatorError('not-allowed', `Only root may ask the agent through ${folder}`, {
      cause: thrown,
    });
  return new OperatorError('no-agent', `The agent cannot be asked through ${folder}`, { cause: thrown });
}
