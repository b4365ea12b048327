import { build, type Plugin } from 'esbuild';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

/** Builds `dist/slicewise.cjs`: the whole program in one file, with koffi beside it. `node scripts/bundle.ts [FILE]` */
const root = fileURLToPath(new URL('..', import.meta.url));
const outfile = resolve(process.argv[2] ?? `${root}/dist/slicewise.cjs`);

const contracts = Object.fromEntries(
  ['deviceplugin', 'podresources'].map((name) => {
    const contract = new protobuf.Root().loadSync(`${root}/proto/${name}.proto`, { keepCase: true });
    return [name, contract.toJSON()];
  }),
);

/** The contracts come along parsed instead of being read from `proto/`. */
const embedContracts: Plugin = {
  name: 'embed-contracts',
  setup(builder) {
    builder.onResolve({ filter: /\/proto-files\.ts$/ }, () => ({
      path: `${root}/scripts/embedded-contracts.ts`,
    }));
  },
};

// CommonJS, because importing node:http as an ES module makes Node load its whole fetch client, a third of the start.
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
  define: { parsedContracts: JSON.stringify(contracts) },
  plugins: [embedContracts],
  logLevel: 'warning',
});
