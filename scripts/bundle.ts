import { build, type BuildOptions, type Plugin } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

/**
 * Builds the program as it is installed, koffi apart: `node scripts/bundle.ts [FOLDER]`, default `dist`. The commit that it is built
 * from is what the variable REVISION says, if it is set.
 *
 *     slicewise.cjs      what is run; picks program or host
 *     program.cjs        every command
 *     kubernetes-api.cjs the client of the API server, larger than all the rest: loaded by agents that talk to it
 *     nvml-host.cjs      the process that holds the driver's library: small, because it starts with the agent
 *     cache/             V8's code for them, so that they need not be compiled at start
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = resolve(process.argv[2] ?? `${root}/dist`);

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

/** What needs the client of the API server finds it in a file of its own. */
const setApiApart: Plugin = {
  name: 'set-api-apart',
  setup(builder) {
    builder.onResolve({ filter: /\/kubernetes-node-api\.ts$/ }, ({ kind }) =>
      kind === 'entry-point' ? null : { path: './kubernetes-api.cjs', external: true },
    );
  },
};

// CommonJS, because importing node:http as an ES module makes Node load its whole fetch client, a third of the start.
const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node24',
  minifySyntax: true,
  minifyWhitespace: true,
  external: ['koffi'],
  define: {
    parsedContracts: JSON.stringify(contracts),
    builtFromCommit: JSON.stringify(process.env['REVISION'] ?? ''),
  },
  plugins: [embedContracts, setApiApart],
  logLevel: 'warning',
};

const launcher = `#!/usr/bin/env node
'use strict';
const { setFlagsFromString } = require('node:v8');
const isHost = process.argv[2] === 'nvml-host';
// A daemon that holds little and idles most of its life needs no large heap. Only the host may trade speed for size too: in
// the agent it would cost a third of Allocate's time.
setFlagsFromString('--max-semi-space-size=1');
if (isHost) setFlagsFromString('--optimize-for-size');
require('node:module').enableCompileCache(require('node:path').join(__dirname, 'cache'));
require(isHost ? './nvml-host.cjs' : './program.cjs');
`;

const host = `import { runNvmlHost } from './src/inventory/nvml/host.ts';
void runNvmlHost(process.argv.slice(3));
`;

rmSync(`${folder}/cache`, { recursive: true, force: true });
await build({ ...common, entryPoints: [`${root}/src/main.ts`], outfile: `${folder}/program.cjs` });
await build({ ...common, stdin: { contents: host, resolveDir: root }, outfile: `${folder}/nvml-host.cjs` });
await build({
  ...common,
  entryPoints: [`${root}/src/cluster/kubernetes-node-api.ts`],
  outfile: `${folder}/kubernetes-api.cjs`,
});
writeFileSync(`${folder}/slicewise.cjs`, launcher);
chmodSync(`${folder}/slicewise.cjs`, 0o755);
// The demo runs most of the agent once; what was compiled for it is what the cache keeps. Whether it keeps its promises is for its tests.
const demo = spawnSync(process.execPath, [`${folder}/slicewise.cjs`, 'demo', '--output', 'json'], {
  encoding: 'utf8',
});
if (demo.status !== 0)
  process.stderr.write(
    `bundle: the demo failed, so the code cache may lack a part and the agent start slower:\n${demo.stderr}${demo.stdout.slice(-2000)}\n`,
  );
