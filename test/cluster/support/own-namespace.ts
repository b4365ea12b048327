import { ApiException, type CoreV1Api } from '@kubernetes/client-node';
import { waitFor } from './wait.ts';

/** Makes a namespace that takes pods: they need its default service account, which comes a moment later. */
export async function makeNamespace(api: CoreV1Api, name: string): Promise<void> {
  await api.createNamespace({ body: { metadata: { name } } });
  const ask = async (): Promise<unknown> =>
    api.readNamespacedServiceAccount({ namespace: name, name: 'default' });
  await waitFor(`namespace ${name} takes pods`, ask, () => true);
}

/** A namespace of a given name, which the cluster's other tests do not use. Disposing removes it with all that is in it. */
export async function ownNamespace(api: CoreV1Api, name: string): Promise<AsyncDisposable> {
  await makeNamespace(api, name);
  return { [Symbol.asyncDispose]: async () => removeNamespace(api, name) };
}

/** Removes a namespace, if it is there, and waits until it is gone. */
export async function removeNamespace(api: CoreV1Api, name: string): Promise<void> {
  const isAbsent = (thrown: unknown): boolean => thrown instanceof ApiException && thrown.code === 404;
  const askFor = async (request: Promise<unknown>): Promise<boolean> =>
    request.then(
      () => true,
      (thrown: unknown) => {
        if (isAbsent(thrown)) return false;
        throw thrown;
      },
    );
  await askFor(api.deleteNamespace({ name }));
  await waitFor(
    `the namespace ${name} is gone`,
    async () => askFor(api.readNamespace({ name })),
    (isThere) => !isThere,
  );
}
