import { build, type Plugin } from 'esbuild';
import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

/** Builds `dist/slicewise.cjs`: the whole program in one file, with koffi beside it. `node scripts/bundle.ts [FILE]` */
const root = fileURLToPath(new URL('..', import.meta.url));
const outfile = resolve(process.argv[2] ?? `${root}/dist/slicewise.cjs`);

/** Replaces the module that reads proto/ by one that carries the parsed contracts. */
const embedContracts: Plugin = {
  name: 'embed-contracts',
  setup(builder) {
    builder.onLoad({ filter: /src\/kubelet\/proto-files\.ts$/ }, () => {
      const contracts = Object.fromEntries(
        ['deviceplugin', 'podresources'].map((name) => {
          const contract = new protobuf.Root().loadSync(`${root}/proto/${name}.proto`, { keepCase: true });
          return [name, contract.toJSON()];
        }),
      );
      return {
        loader: 'ts',
        resolveDir: `${root}/src/kubelet`,
        contents: `
          import protobuf from 'protobufjs/light.js';
          const contracts: any = ${JSON.stringify(contracts)};
          const conversion = { longs: Number, defaults: true };
          const message = (type: any) => ({
            serialize: (value: object) => type.encode(type.fromObject(value)).finish(),
            deserialize: (bytes: Uint8Array) => type.toObject(type.decode(bytes), conversion),
          });
          export function loadContract(name: string) {
            const root = protobuf.Root.fromJSON(contracts[name]);
            const [space] = root.nestedArray as any[];
            return Object.fromEntries(space.nestedArray.map((each: any) => [
              space.name + '.' + each.name,
              each instanceof protobuf.Service ? service(space, each) : message(each),
            ]));
          }
          function service(space: any, { name, methods }: any) {
            return Object.fromEntries(Object.values(methods).map((method: any) => {
              const request = message(space.lookupType(method.requestType));
              const response = message(space.lookupType(method.responseType));
              return [method.name, {
                path: '/' + space.name + '.' + name + '/' + method.name,
                requestStream: !!method.requestStream,
                responseStream: !!method.responseStream,
                requestSerialize: request.serialize,
                requestDeserialize: request.deserialize,
                responseSerialize: response.serialize,
                responseDeserialize: response.deserialize,
              }];
            }));
          }`,
      };
    });
  },
};

mkdirSync(dirname(outfile), { recursive: true });
await build({
  entryPoints: [`${root}/src/main.ts`],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node24',
  minify: true,
  keepNames: true,
  external: ['koffi'],
  plugins: [embedContracts],
  logLevel: 'warning',
});
