import {
  type ConfigurationOptions,
  KubeConfig,
  Observable,
  type ObservableMiddleware,
  type RequestContext,
} from '@kubernetes/client-node';
import { existsSync } from 'node:fs';
import { OperatorError } from '../lib/errors.ts';

const tokenFile = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/**
 * Where the API server is and who asks.
 * @param kubeconfig `null`: the service account of the pod that the program runs in
 * @throws OperatorError `no-api-access` when nothing says so
 */
export function readAccess(kubeconfig: string | null): KeptConnections {
  const config = new KeptConnections();
  if (kubeconfig === null) {
    config.loadFromCluster();
    if (!existsSync(tokenFile) || !URL.canParse(config.getCurrentCluster()?.server ?? ''))
      throw new OperatorError(
        'no-api-access',
        `No way to the API server: ${tokenFile} is missing or KUBERNETES_SERVICE_HOST is not set. Give the pod its service account's token ` +
          '(automountServiceAccountToken: true), or name a kubeconfig (--kubeconfig, KUBECONFIG)',
      );
    return config;
  }
  try {
    config.loadFromFile(kubeconfig);
  } catch (thrown) {
    throw new OperatorError('no-api-access', `The kubeconfig ${kubeconfig} cannot be used`, {
      cause: thrown,
    });
  }
  if (config.getCurrentCluster() === null)
    throw new OperatorError(
      'no-api-access',
      `The kubeconfig ${kubeconfig} has no current context with a cluster`,
    );
  return config;
}

/** Proves who asks as the client does, but keeps its connections: the client would make new ones for each request. */
export class KeptConnections extends KubeConfig implements AsyncDisposable {
  #kept: ReturnType<RequestContext['getDispatcher']>;

  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    await super.applySecurityAuthentication(context);
    this.#kept ??= context.getDispatcher();
    if (this.#kept !== undefined) context.setDispatcher(this.#kept);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kept?.destroy();
  }
}

/** Headers and an end for one request. */
export function requestOptions(
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): ConfigurationOptions {
  const prepare: ObservableMiddleware = {
    pre(request) {
      for (const [name, value] of Object.entries(headers)) request.setHeaderParam(name, value);
      request.setSignal(signal);
      return new Observable(Promise.resolve(request));
    },
    post: (response) => new Observable(Promise.resolve(response)),
  };
  return { middlewareMergeStrategy: 'append', middleware: [prepare] };
}
