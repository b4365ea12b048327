import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';

/**
 * The wire contracts as the gRPC library wants them, read from `proto/`. The bundle replaces this module by one that
 * carries the parsed contracts, so that the installed program reads no file and loads no parser.
 */
export function loadContract(name: 'deviceplugin' | 'podresources'): PackageDefinition {
  const file = fileURLToPath(new URL(`../../proto/${name}.proto`, import.meta.url));
  return loadSync(file, { keepCase: true, longs: Number, defaults: true });
}
