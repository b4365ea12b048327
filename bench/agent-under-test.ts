import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AgentProcess, type SelfProgram, startAgent } from '../src/simulator/agent-process.ts';
import type { EventOf } from '../src/simulator/kubelet/kubelet-events.ts';
import { type StandInKubelet, startKubelet } from '../src/simulator/kubelet/kubelet.ts';
import { openFolder } from './temp-folder.ts';

/** A machine that has far more to do than it can is slow, not broken. */
export const patientMs = 120_000;

/** The resource of whole GPUs. */
export const gpuResource = 'nvidia.com/gpu';

/** What is measured: a program, and the arguments that name its GPUs. */
export interface Subject {
  readonly program: SelfProgram;
  readonly driverArgs: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The config file's content; without it there is none. */
  readonly config?: object;
}

/** A stand-in kubelet in a folder of its own, and agents that serve it. */
export interface Stage extends AsyncDisposable {
  readonly kubelet: StandInKubelet;
  startAgent(): AgentProcess;
}

/** Sets up a stage; disposing stops the agents and removes the folder. */
export async function openStage(subject: Subject): Promise<Stage> {
  const folder = await openFolder();
  const kubelet = await startKubelet({ folder: folder.path });
  const agents: AgentProcess[] = [];
  const args = [
    ...subject.driverArgs,
    '--kubelet-socket',
    kubelet.registrationSocket,
    '--pod-resources-socket',
    kubelet.podResourcesSocket,
    '--state-dir',
    join(folder.path, 'state'),
    '--cdi-root',
    join(folder.path, 'cdi'),
    '--http-address',
    'off',
  ];
  if (subject.config !== undefined) {
    const path = join(folder.path, 'config.yaml');
    await writeFile(path, JSON.stringify(subject.config));
    args.push('--config-file', path);
  }
  return {
    kubelet,
    startAgent() {
      const agent = startAgent(subject.program, args, subject.env);
      agents.push(agent);
      return agent;
    },
    async [Symbol.asyncDispose]() {
      for (const agent of agents) await agent[Symbol.asyncDispose]();
      await kubelet[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The first list at or after the given event in which whole GPUs can be had; memory is offered beside them. */
export function firstUsableList(stage: Stage, from = 0): Promise<EventOf<'list'>> {
  return stage.kubelet.waitForEvent('list', {
    from,
    deadlineMs: patientMs,
    where: ({ resource, healthy }) => resource === gpuResource && healthy > 0,
  });
}

/** The name of the socket that a resource was last registered with. */
export function registrationOf(kubelet: StandInKubelet, wanted: string): string {
  const last = kubelet.events.findLast(
    (event) => event.kind === 'registered' && event.resource === wanted,
  ) as EventOf<'registered'> | undefined;
  if (last === undefined) throw new Error(`${wanted} is not registered`);
  return last.endpoint;
}

/** Ends the agent as an update does; resolves with the milliseconds that it took. Throws when it did not end well. */
export async function stopAgent(stage: Stage, agent: AgentProcess): Promise<number> {
  const toldMs = performance.now();
  agent.signal('SIGTERM');
  const { code } = await agent.exit;
  if (code !== 0)
    throw new Error(`The agent ended with code ${String(code)}: ${JSON.stringify(agent.log.slice(-5))}`);
  const tookMs = performance.now() - toldMs;
  await stage.kubelet.waitForAllocatable(gpuResource, 0);
  return tookMs;
}
