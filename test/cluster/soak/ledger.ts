import type { RunningContainer } from '../support/oracle.ts';
import type { KnownPod, KnownPods, Observation, SeenPod, Violation } from './observation.ts';

/** Remembers what each container had when it was first seen, and finds what has changed since. */
export class Ledger {
  readonly #gpus = new Map<string, readonly string[]>();
  /** Container ids by pod, container and number of restarts. */
  readonly #ids = new Map<string, string>();

  check({ pods, running }: Observation, known: KnownPods): readonly Violation[] {
    const ran = pods.filter(({ phase }) => phase === 'Running');
    return [
      ...running.flatMap((each) => this.#checkGpus(each)),
      ...ran.flatMap((pod) => this.#checkContainers(pod, known.get(pod.uid))),
    ];
  }

  #checkGpus({ podUid, pod, container, gpus }: RunningContainer): Violation[] {
    const first = remember(this.#gpus, `${podUid}/${container}`, gpus);
    if (first.join() === gpus.join()) return [];
    const detail = `${pod}/${container} saw ${first.join()} and now sees ${gpus.join()}`;
    return [{ rule: 'a container keeps its GPUs', detail }];
  }

  #checkContainers({ uid, name, containers }: SeenPod, pod: KnownPod | undefined): Violation[] {
    const staying = pod?.shape.containers.filter(({ kind }) => kind !== 'init') ?? [];
    return containers.flatMap(({ name: container, id, restarts }) => {
      if (id === null || !staying.some((each) => each.name === container)) return [];
      const first = remember(this.#ids, `${uid}/${container}/${restarts}`, id);
      const kills = pod?.kills.filter((each) => each === container).length ?? 0;
      const details = [
        ...(first === id ? [] : [`${name}/${container} was container ${first} and is ${id}`]),
        ...(restarts <= kills
          ? []
          : [`${name}/${container} has restarted ${restarts} times, and was killed ${kills} times`]),
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
