import { build, type Plugin } from 'esbuild';
import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

/** Builds `dist/slicewise.mjs`: the whole program in one file, with koffi beside it. `node scripts/bundle.ts [FILE]` */
const root = fileURLToPath(new URL('..', import.meta.url));
const outfile = resolve(process.argv[2] ?? `${root}/dist/slicewise.mjs`);

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
          import { fromJSON } from '@grpc/proto-loader';
          const contracts: any = ${JSON.stringify(contracts)};
          export function loadContract(name: string) {
            return fromJSON(contracts[name], { keepCase: true, longs: Number, defaults: true });
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
  format: 'esm',
  target: 'node24',
  minify: true,
  keepNames: true,
  external: ['koffi'],
  plugins: [embedContracts],
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
