import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import protobuf from 'protobufjs';
import type { Found } from '../support/nvml-header.ts';

const kubeletModule = 'k8s.io/kubelet@v0.36.3';

/** The folder of the Go module that carries the kubelet's own contracts, fetched into Go's module cache. */
export async function kubeletModuleFolder(): Promise<Found> {
  const go = ['/usr/local/go/bin/go'].find((path) => existsSync(path)) ?? 'go';
  try {
    const { stdout } = await promisify(execFile)(go, ['mod', 'download', '-json', kubeletModule], {
      cwd: tmpdir(),
    });
    return { path: (JSON.parse(stdout) as { Dir: string }).Dir };
  } catch (error) {
    const [line] = String(error).split('\n');
    return { missing: `the kubelet's contracts need Go and the module ${kubeletModule}: ${line ?? ''}` };
  }
}

/** A contract as one line for each field and method: what has to be equal for two programs to understand each other. */
export function describeContract(root: protobuf.Root): ReadonlyMap<string, string> {
  const lines = new Map<string, string>();
  const visit = (parent: protobuf.NamespaceBase): void => {
    for (const each of parent.nestedArray) {
      if (each instanceof protobuf.Type) describeMessage(each, lines);
      if (each instanceof protobuf.Service)
        for (const method of each.methodsArray) lines.set(nameOf(method), describeMethod(method));
      if (each instanceof protobuf.Namespace) visit(each);
    }
  };
  visit(root);
  return lines;
}

function describeMessage(message: protobuf.Type, lines: Map<string, string>): void {
  lines.set(nameOf(message), 'message');
  for (const field of message.fieldsArray) {
    const type = field instanceof protobuf.MapField ? `map<${field.keyType}, ${field.type}>` : field.type;
    lines.set(nameOf(field), `${field.repeated ? 'repeated ' : ''}${type} = ${String(field.id)}`);
  }
}

function describeMethod(method: protobuf.Method): string {
  const stream = (is: boolean | undefined): string => (is === true ? 'stream ' : '');
  const request = `${stream(method.requestStream)}${method.requestType}`;
  return `(${request}) returns (${stream(method.responseStream)}${method.responseType})`;
}

function nameOf(object: protobuf.ReflectionObject): string {
  return object.fullName.replace(/^\./, '');
}
