import {
  ApiException,
  type CoreV1Api,
  Exec,
  type KubeConfig,
  type V1Pod,
  type V1PodStatus,
  type V1Status,
} from '@kubernetes/client-node';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Ended } from '../node/supervisor.ts';
import { gpuResource } from './pod-spec.ts';
import { waitFor } from './wait.ts';

/** Pods of one namespace. */
export class Pods {
  readonly #api: CoreV1Api;
  readonly #config: KubeConfig;
  readonly #namespace: string;

  constructor(api: CoreV1Api, config: KubeConfig, namespace: string) {
    this.#api = api;
    this.#config = config;
    this.#namespace = namespace;
  }

  /** Makes a pod. Rejects with the API server's words when it refuses. */
  async create(pod: V1Pod): Promise<V1Pod> {
    return this.#api.createNamespacedPod({ namespace: this.#namespace, body: pod });
  }

  /** Makes a pod and resolves when all its containers run. */
  async run(pod: V1Pod): Promise<V1Pod> {
    const { metadata } = await this.create(pod);
    return this.waitUntilRunning(metadata?.name ?? '');
  }

  async read(name: string): Promise<V1Pod> {
    return this.#api.readNamespacedPod({ namespace: this.#namespace, name });
  }

  async list(): Promise<readonly V1Pod[]> {
    return (await this.#api.listNamespacedPod({ namespace: this.#namespace })).items;
  }

  async waitFor(name: string, what: string, accepts: (pod: V1Pod) => boolean): Promise<V1Pod> {
    let pod = await this.read(name);
    const ask = async (): Promise<V1PodStatus | undefined> => {
      pod = await this.read(name);
      return pod.status;
    };
    await waitFor(`pod ${name}: ${what}`, ask, () => accepts(pod));
    return pod;
  }

  /** Resolves when all its containers run; rejects as soon as it has failed. */
  async waitUntilRunning(name: string): Promise<V1Pod> {
    const pod = await this.waitFor(
      name,
      'all its containers run',
      (seen) => isRunning(seen) || isFailed(seen),
    );
    if (isFailed(pod))
      throw new Error(`Pod ${name} failed: ${pod.status?.message ?? pod.status?.reason ?? ''}`);
    return pod;
  }

  /** Resolves when it has Succeeded or Failed. */
  async waitUntilEnded(name: string): Promise<V1Pod> {
    return this.waitFor(name, 'it has ended', ({ status }) => /Succeeded|Failed/.test(status?.phase ?? ''));
  }

  /** Removes it from the API server at once, whatever becomes of its containers. */
  async forget(name: string): Promise<void> {
    await this.#api.deleteNamespacedPod({ namespace: this.#namespace, name, gracePeriodSeconds: 0 });
  }

  /** Asks for its end, and resolves when it is gone from the API server, which is when the kubelet has ended its containers. */
  async delete(name: string): Promise<void> {
    await this.#api.deleteNamespacedPod({ namespace: this.#namespace, name });
    await this.waitUntilGone([name]);
  }

  async deleteAll(): Promise<void> {
    await this.#api.deleteCollectionNamespacedPod({ namespace: this.#namespace, gracePeriodSeconds: 1 });
    await this.waitUntilGone();
  }

  async waitUntilGone(names?: readonly string[]): Promise<void> {
    const ask = async (): Promise<readonly string[]> => {
      const found = (await this.list()).map(({ metadata }) => metadata?.name ?? '');
      return found.filter((name) => names === undefined || names.includes(name));
    };
    await waitFor('the pods are gone', ask, (left) => left.length === 0);
  }

  async log(name: string, container: string): Promise<string> {
    return this.#api.readNamespacedPodLog({ namespace: this.#namespace, name, container });
  }

  /** The GPUs that a container has printed at its last start, sorted. */
  async gpusSeenBy(name: string, container = 'main'): Promise<readonly string[]> {
    const ask = async (): Promise<string> => this.log(name, container);
    const printed = await waitFor(`${name}/${container} prints its GPUs`, ask, (log) =>
      log.includes('gpus='),
    );
    const value = /gpus=(\S*)\s*$/.exec(printed)?.[1] ?? '';
    return value.split(',').toSorted();
  }

  /** Runs a shell script in a container. */
  async exec(name: string, script: string, container = 'main'): Promise<Ended> {
    return this.execProgram(name, ['sh', '-c', script], container);
  }

  /** Runs a program in a container, which need not have a shell. */
  async execProgram(name: string, command: string[], container = 'main'): Promise<Ended> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const said = Promise.all([text(stdout), text(stderr)]);
    const status = await new Promise<V1Status>((resolve, reject) => {
      new Exec(this.#config)
        .exec(this.#namespace, name, container, command, stdout, stderr, null, false, resolve)
        .catch(reject);
    });
    stdout.end();
    stderr.end();
    const [out, err] = await said;
    const exitCode = status.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message;
    return { code: status.status === 'Success' ? 0 : Number(exitCode ?? 1), stdout: out, stderr: err };
  }
}

/** What must stay the same when a pod is left alone: itself, its phase, and each container's id and number of restarts. */
export function identityOf({ metadata, status }: V1Pod): object {
  const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return {
    uid: metadata?.uid,
    phase: status?.phase,
    message: status?.message,
    containers: containers.map(({ name, containerID, restartCount }) => ({
      name,
      containerID,
      restartCount,
    })),
  };
}

/** The API server's words when it refuses; throws when it does not. */
export async function refusalOf(request: Promise<unknown>): Promise<string> {
  const thrown: unknown = await request.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof ApiException)) throw new Error(`Not refused by the API server: ${String(thrown)}`);
  const body: unknown = thrown.body;
  const status = (typeof body === 'string' ? JSON.parse(body) : body) as V1Status;
  return status.message ?? '';
}

/** The restarts of a container. */
export function restartsOf({ status }: V1Pod, container = 'main'): number {
  return status?.containerStatuses?.find(({ name }) => name === container)?.restartCount ?? 0;
}

/** Why a container does not run, as `reason: message`; empty when it does. */
export function waitingOf({ status }: V1Pod, container = 'main'): string {
  const waiting = status?.containerStatuses?.find(({ name }) => name === container)?.state?.waiting;
  return waiting === undefined ? '' : `${waiting.reason ?? ''}: ${waiting.message ?? ''}`;
}

/** Whether a pod's status says so of a whole GPU that it has. */
export function isShownAs(id: string, health: string): (pod: V1Pod) => boolean {
  return ({ status }) =>
    (status?.containerStatuses ?? [])
      .flatMap(({ allocatedResourcesStatus }) => allocatedResourcesStatus ?? [])
      .filter(({ name }) => name === gpuResource)
      .some(({ resources }) =>
        (resources ?? []).some((each) => each.resourceID === id && each.health === health),
      );
}

function isRunning({ spec, status }: V1Pod): boolean {
  const statuses = status?.containerStatuses ?? [];
  return statuses.length === spec?.containers.length && statuses.every(({ ready }) => ready);
}

function isFailed({ status }: V1Pod): boolean {
  return status?.phase === 'Failed';
}
