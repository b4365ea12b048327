import { Server, status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { join } from 'node:path';
import { toError } from '../../lib/errors.ts';
import { apiVersion, type RegisterRequest } from '../../kubelet/contract.ts';
import { registrationService } from '../../kubelet/wire.ts';
import type { EventLog } from './kubelet-events.ts';
import type { KubeletFaults } from './kubelet-faults.ts';
import type { PluginRegistry } from './plugin-registry.ts';

/** The server behind kubelet.sock. Endpoints are file names in `folder`. */
export function createRegistrationServer(
  folder: string,
  deps: { readonly registry: PluginRegistry; readonly events: EventLog; readonly faults: KubeletFaults },
): Server {
  const server = new Server();
  server.addService(registrationService, {
    Register: (call: ServerUnaryCall<RegisterRequest, void>, answer: sendUnaryData<void>) => {
      const aborted = new AbortController();
      call.on('cancelled', () => aborted.abort());
      void register(folder, deps, call.request, aborted.signal).then(
        () => answer(null, undefined),
        (error: unknown) => answer({ code: status.UNKNOWN, details: toError(error).message }),
      );
    },
  });
  return server;
}

async function register(
  folder: string,
  { registry, events, faults }: Parameters<typeof createRegistrationServer>[1],
  { version, endpoint, resourceName }: RegisterRequest,
  signal: AbortSignal,
): Promise<void> {
  const resource = resourceName;
  events.add({ kind: 'registering', resource, endpoint, version });
  if (faults.answerRegister === 'never') await new Promise<never>(() => undefined);
  try {
    const refusal = faults.takeRefusal() ?? findFault(version, resource);
    if (refusal !== null) throw new Error(refusal);
    await registry.connect(resource, join(folder, endpoint), signal);
  } catch (error) {
    events.add({ kind: 'registration-refused', resource, endpoint, error: toError(error).message });
    throw error;
  }
}

function findFault(version: string, resource: string): string | null {
  if (version !== apiVersion)
    return `requested API version ${JSON.stringify(version)} is not supported by kubelet. Supported version is ["${apiVersion}"]`;
  if (!isExtendedResourceName(resource)) return `the ResourceName ${JSON.stringify(resource)} is invalid`;
  return null;
}

/** The kubelet's rule (IsExtendedResourceName): a qualified name outside kubernetes.io that a quota can name too. */
export function isExtendedResourceName(name: string): boolean {
  if (!name.includes('/') || name.includes('kubernetes.io/') || name.startsWith('requests.')) return false;
  const [prefix = '', local = '', ...more] = `requests.${name}`.split('/');
  const isSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(prefix);
  const isLocal = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/.test(local);
  return more.length === 0 && isSubdomain && prefix.length <= 253 && isLocal && local.length <= 63;
}
