import {
  ApiException,
  type KubeConfig,
  KubernetesObjectApi,
  type KubernetesObject,
  loadAllYaml,
} from '@kubernetes/client-node';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const deploy = join(import.meta.dirname, '../../../deploy');

/**
 * Puts files of `deploy/policies` in force for the whole cluster, until they are disposed of. The API server needs a second or so
 * to heed them.
 * @param max what an admin writes into `gpu-memory-max.yaml`
 */
export async function applyPolicies(
  config: KubeConfig,
  files: readonly string[],
  max = '',
): Promise<AsyncDisposable> {
  return applyDeployed(
    config,
    files.map((file) => `policies/${file}`),
    (text) => text.replace(`"''"`, `"'${max}'"`),
  );
}

/** The same for any files below `deploy`, changed as the caller says. */
export async function applyDeployed(
  config: KubeConfig,
  files: readonly string[],
  change: (text: string) => string = (text) => text,
): Promise<AsyncDisposable> {
  const api = KubernetesObjectApi.makeApiClient(config);
  const texts = await Promise.all(
    files.map(async (file) => change(await readFile(join(deploy, file), 'utf8'))),
  );
  const objects = texts.flatMap((text) => loadAllYaml(text) as KubernetesObject[]);
  const made: KubernetesObject[] = [];
  const remove = async (): Promise<void> => {
    for (const object of made.toReversed()) await api.delete(object).catch(ignoreAbsence);
  };
  try {
    for (const object of objects) made.push(await api.create(object));
  } catch (thrown) {
    await remove();
    throw thrown;
  }
  return { [Symbol.asyncDispose]: remove };
}

function ignoreAbsence(thrown: unknown): void {
  if (!(thrown instanceof ApiException && thrown.code === 404)) throw thrown;
}
