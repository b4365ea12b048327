import type { MethodDefinition, PackageDefinition, ServiceDefinition } from '@grpc/proto-loader';
import protobuf from 'protobufjs/light.js';

/** The parsed contracts by name; the bundler puts them in this place. */
declare const parsedContracts: Readonly<Record<string, protobuf.INamespace>>;

type Definition = MethodDefinition<object, object>;

/**
 * Stands in the bundle for the module that reads `proto/`: the contracts come along parsed, and neither the parser nor the
 * descriptors of the loader are loaded at start. Messages look the same: snake case, int64 as numbers, defaults filled in.
 */
export function loadContract(name: string): PackageDefinition {
  // Not Root.fromJSON, which resolves every type at once: most are never used, and each resolves itself on first use.
  const root = new protobuf.Root().addJSON(parsedContracts[name]?.nested ?? {});
  const [space] = root.nestedArray;
  if (!(space instanceof protobuf.Namespace)) throw new Error(`The bundle has no contract ${name}`);
  const entries = space.nestedArray.map((each) => [
    `${space.name}.${each.name}`,
    each instanceof protobuf.Service ? service(space, each) : message(each as protobuf.Type),
  ]);
  return Object.fromEntries(entries) as PackageDefinition;
}

function service(space: protobuf.Namespace, { name, methodsArray }: protobuf.Service): ServiceDefinition {
  const methods = methodsArray.map((method): [string, Partial<Definition>] => {
    const request = message(space.lookupType(method.requestType));
    const response = message(space.lookupType(method.responseType));
    return [
      method.name,
      {
        path: `/${space.name}.${name}/${method.name}`,
        requestStream: method.requestStream === true,
        responseStream: method.responseStream === true,
        requestSerialize: request.serialize,
        requestDeserialize: request.deserialize,
        responseSerialize: response.serialize,
        responseDeserialize: response.deserialize,
      },
    ];
  });
  return Object.fromEntries(methods) as unknown as ServiceDefinition;
}

interface LoadedMessage {
  readonly serialize: (value: object) => Buffer;
  readonly deserialize: (bytes: Buffer) => object;
}

function message(type: protobuf.Type): LoadedMessage {
  return {
    serialize: (value) => type.encode(type.fromObject(value)).finish() as Buffer,
    deserialize: (bytes) => type.toObject(type.decode(bytes), { longs: Number, defaults: true }),
  };
}
