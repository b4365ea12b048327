import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../node/cluster.ts';
import { patienceMs } from './wait.ts';

/** The kubelet as a program that can be stopped and started. */
export interface KubeletProgram {
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts it and resolves when it has made its registration socket, with that moment in milliseconds of `performance.now()`. */
  start(): Promise<number>;
  /** Stops it, if need be, and starts it. */
  restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<number>;
  runs(): Promise<boolean>;
}

export function kubeletProgram({ supervisor, paths }: Cluster): KubeletProgram {
  const kubelet: KubeletProgram = {
    stop: (signal = 'SIGTERM') => supervisor.stop('kubelet', signal),
    async start() {
      const before = await identify(paths.kubeletSocket);
      await supervisor.start('kubelet');
      return waitForOther(paths.kubeletSocket, before);
    },
    async restart(signal) {
      await kubelet.stop(signal);
      return kubelet.start();
    },
    runs: async () => (await supervisor.list()).includes('kubelet'),
  };
  return kubelet;
}

/** A stopped kubelet leaves its socket behind, so existence says nothing; inode and change time together do. */
async function identify(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found === null ? 'none' : `${found.ino} ${found.ctimeNs}`;
}

async function waitForOther(path: string, before: string): Promise<number> {
  for (const end = performance.now() + patienceMs; performance.now() < end; await delay(5)) {
    const now = await identify(path);
    if (now !== before && now !== 'none') return performance.now();
  }
  throw new Error(`The kubelet made no new ${path} within ${patienceMs / 1000} s`);
}
