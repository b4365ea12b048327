import type { RunningContainer } from '../support/oracle.ts';
import type { KnownPod, KnownPods, Observation, SeenPod, Violation } from './observation.ts';

/** Remembers what each container had when it was first seen, and finds what has changed since. */
export class Ledger {
  readonly #gpus = new Map<string, string>();
  /** Container ids by pod, container and number of restarts. */
  readonly #ids = new Map<string, string>();
  /** Numbers of restarts when the container was first seen: a kubelet that ends may have lost its first start. */
  readonly #restarts = new Map<string, number>();

  check({ pods, running }: Observation, known: KnownPods): readonly Violation[] {
    const ran = pods.filter(({ phase }) => phase === 'Running');
    return [
      ...running.flatMap((each) => this.#checkGpus(each)),
      ...ran.flatMap((pod) => this.#checkContainers(pod, known.get(pod.uid))),
    ];
  }

  #checkGpus({ podUid, pod, container, gpus, memoryMiB }: RunningContainer): Violation[] {
    const sees = `${gpus.join()}${memoryMiB === null ? '' : ` (${memoryMiB} MiB)`}`;
    const first = remember(this.#gpus, `${podUid}/${container}`, sees);
    if (first === sees) return [];
    return [
      { rule: 'a container keeps its GPUs', detail: `${pod}/${container} saw ${first} and now sees ${sees}` },
    ];
  }

  #checkContainers({ uid, name, containers }: SeenPod, pod: KnownPod | undefined): Violation[] {
    const staying = pod?.shape.containers.filter(({ kind }) => kind !== 'init') ?? [];
    return containers.flatMap(({ name: container, id, runs, restarts }) => {
      if (!runs || id === null || !staying.some((each) => each.name === container)) return [];
      const was = remember(this.#ids, `${uid}/${container}/${restarts}`, id);
      const since = restarts - remember(this.#restarts, `${uid}/${container}`, restarts);
      const kills = pod?.kills.filter((each) => each === container).length ?? 0;
      const allowed = kills === 0 ? 0 : kills + (pod?.lostStarts ?? 0);
      const who = `${name}/${container}`;
      const details = [
        ...(was === id ? [] : [`${who} was container ${was} and is ${id}`]),
        ...(since <= allowed ? [] : [`${who} has restarted ${since} times, and was killed ${kills} times`]),
      ];
      return details.map((detail) => ({ rule: 'a container that nobody kills stays', detail }));
    });
  }
}

function remember<T>(memory: Map<string, T>, key: string, value: T): T {
  const first = memory.get(key) ?? value;
  memory.set(key, first);
  return first;
}
