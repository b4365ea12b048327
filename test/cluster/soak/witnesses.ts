import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterNode } from '../support/cluster-node.ts';
import { readCheckpoint, readHoldings, readRunningContainers } from '../support/oracle.ts';
import type { Observation, Violation } from './observation.ts';
import type { PodWatch } from './pod-watch.ts';

/**
 * Asks all witnesses. The kubelet's pod resources are asked for only when no pod is being admitted: that call can make a
 * kubelet forget ids that it is just giving out.
 */
export async function observe(
  node: ClusterNode,
  watch: PodWatch,
  isCalm: () => boolean,
): Promise<Observation> {
  await watch.look();
  const [running, checkpoint, { allocatable }] = await Promise.all([
    readRunningContainers(node.cluster),
    readCheckpoint(node.cluster),
    node.amount(),
  ]);
  const isQuiet = isCalm() && watch.pods.every(({ phase }) => phase !== 'Pending');
  const holdings = isQuiet ? await askKubelet(node) : null;
  const isMine = ({ namespace }: { readonly namespace: string }): boolean => namespace === node.namespace;
  return {
    pods: watch.pods,
    running: running.filter(isMine),
    checkpoint,
    holdings: holdings?.filter(isMine) ?? null,
    allocatable,
  };
}

/** A kubelet answers a hundred such calls a second, everybody's together, and refuses more. */
async function askKubelet(node: ClusterNode): Promise<Observation['holdings']> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await readHoldings(node.cluster);
    } catch (thrown) {
      if (tries === 5) throw thrown;
      await delay(200);
    }
  }
}

/** Sees to it that the node's programs neither end nor panic. */
export class ProgramWatch {
  readonly #node: ClusterNode;
  readonly #programs: readonly string[];
  #read: number;

  private constructor(node: ClusterNode, programs: readonly string[], read: number) {
    this.#node = node;
    this.#programs = programs;
    this.#read = read;
  }

  static async of(node: ClusterNode): Promise<ProgramWatch> {
    const log = await readKubeletLog(node);
    return new ProgramWatch(node, await node.cluster.supervisor.list(), log.length);
  }

  /** To be called when all should run. */
  async check(): Promise<readonly Violation[]> {
    const running = new Set(await this.#node.cluster.supervisor.list());
    const ended = this.#programs.filter((name) => !running.has(name));
    const log = await readKubeletLog(this.#node);
    const added = log.subarray(this.#read).toString();
    this.#read = log.length;
    return [
      ...ended.map((name) => ({ rule: 'no program ends by itself', detail: `${name} has ended` })),
      ...findPanics(added).map((detail) => ({ rule: 'the kubelet does not panic', detail })),
    ];
  }
}

/** Lines of a Go program that has crashed, or has caught a crash. */
export function findPanics(log: string): readonly string[] {
  return log.split('\n').filter((line) => /\bpanic:|\bfatal error:|Observed a panic/.test(line));
}

async function readKubeletLog(node: ClusterNode): Promise<Buffer> {
  return readFile(join(node.cluster.paths.log, 'kubelet.log'));
}
