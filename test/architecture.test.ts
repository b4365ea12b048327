import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { findBreaches, type ArchitectureRules } from './support/architecture.ts';
import { findImports } from './support/imports.ts';
import { tokenize } from './support/tokens.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** All but the ways in. */
const belowApp =
  'lib inventory resources allocation cdi config kubelet metrics cluster labels health state status simulator'.split(
    ' ',
  );

/**
 * The shape of the program. Arrows go one way: facts about GPUs at the bottom, pure decisions over them, then the ways
 * in and out, which never see each other and are joined in `app`.
 */
const rules: ArchitectureRules = {
  mayImport: {
    lib: ['../package.json'],
    inventory: ['lib'],
    resources: ['lib', 'inventory'],
    allocation: ['lib', 'resources', 'inventory'],
    labels: ['lib', 'resources', 'inventory'],
    health: ['lib', 'inventory'],
    cdi: ['lib', 'allocation', 'inventory'],
    config: ['lib', 'types of resources', 'health/xid.ts'],
    kubelet: ['lib', 'allocation', 'resources'],
    cluster: ['lib'],
    metrics: ['lib', 'allocation', 'resources', 'inventory'],
    status: ['lib', 'types of allocation'],
    state: ['lib', 'types of allocation', 'types of health'],
    // The kubelet's contract speaks of answers in the words of allocation/response.ts.
    simulator: [
      'lib',
      'inventory',
      'kubelet/contract.ts',
      'kubelet/wire.ts',
      'types of allocation/response.ts',
    ],
    app: belowApp,
    cli: ['lib', 'app', 'config', 'status', 'simulator', 'inventory', 'resources', 'allocation', 'state'],
    'main.ts': ['cli', 'inventory/nvml/host.ts'],
  },
  packages: {
    '@grpc/grpc-js': ['kubelet', 'simulator'],
    '@kubernetes/client-node': [
      'cluster/kubernetes-node-api.ts',
      'cluster/kubernetes-access.ts',
      'cluster/kubernetes-meta.ts',
      'cluster/kubernetes-event.ts',
      'cluster/kubernetes-health.ts',
    ],
    '@grpc/proto-loader': ['kubelet/proto-files.ts'],
    commander: ['cli'],
    koffi: ['inventory/nvml', 'kubelet/lock.ts'],
    pino: ['lib/log.ts'],
    'prom-client': ['metrics/instruments.ts'],
    yaml: [
      'config',
      'cdi/toolkit-spec.ts',
      'inventory/simulated',
      'simulator/story/story-node.ts',
      'cli/config-print.ts',
    ],
    zod: ['config', 'inventory/simulated', 'kubelet/checkpoint.ts', 'state'],
  },
  // A process group is killed by its number, which only the process module can do.
  process: ['main.ts', 'inventory/nvml/host.ts', 'inventory/smi/process-group.ts'],
  pure: ['resources', 'allocation', 'labels', 'health'],
  maxLines: 250,
};

test('the source keeps to the rules', () => {
  const breaches = findBreaches(readSources(), rules);
  expect(breaches.join('\n')).toBe('');
});

test('the source is read at all', () => {
  const sources = readSources();
  const imports = [...sources.values()].flatMap((text) => findImports(tokenize(text)));
  expect(sources.size).toBeGreaterThan(30);
  expect(imports.length).toBeGreaterThan(sources.size);
  expect(new Set(imports.map(({ form }) => form))).toEqual(new Set(['import', 'dynamic']));
});

/** Text by path of everything under src/; declaration files only describe what packages export. */
function readSources(): Map<string, string> {
  const paths = globSync('**/*.ts', { cwd: `${root}/src` }).filter((path) => !path.endsWith('.d.ts'));
  return new Map(paths.sort().map((path) => [path, readFileSync(`${root}/src/${path}`, 'utf8')]));
}

const smallRules: ArchitectureRules = {
  mayImport: {
    lib: [],
    inventory: ['lib'],
    kubelet: ['lib', 'types of inventory'],
    simulator: ['kubelet/contract.ts'],
    'main.ts': ['kubelet'],
  },
  packages: { pino: ['lib/log.ts'], '@grpc/grpc-js': ['kubelet'] },
  process: ['main.ts'],
  pure: ['inventory'],
  maxLines: 5,
};

const soundTree = {
  'main.ts': "import { serve } from './kubelet/serve.ts';\nserve(process.argv);",
  'lib/log.ts': "import { pino } from 'pino';\nexport const log = pino();",
  'lib/clock.ts': 'export const now = () => Date.now();',
  'inventory/gpu.ts': 'export interface Gpu { process: string }',
  'kubelet/contract.ts': "import type { Gpu } from '../inventory/gpu.ts';\nexport type Listed = Gpu;",
  'kubelet/serve.ts':
    "import { Server } from '@grpc/grpc-js';\nexport const serve = (argv) => new Server(argv);",
  'simulator/kubelet.ts':
    "import type { Listed } from '../kubelet/contract.ts';\nexport const list: Listed[] = [];",
};

function breachesWith(
  planted: Readonly<Record<string, string>>,
  changed: Partial<ArchitectureRules> = {},
): string[] {
  const sources = new Map(Object.entries({ ...soundTree, ...planted }));
  return findBreaches(sources, { ...smallRules, ...changed });
}

test('a sound tree has no breach', () => {
  expect(breachesWith({})).toEqual([]);
});

test.each<[string, string, string, string]>([
  [
    'an import against the arrows',
    'inventory/up.ts',
    "import { serve } from '../kubelet/serve.ts';",
    'inventory/up.ts:1: inventory may not import kubelet/serve.ts',
  ],
  [
    'a type import against the arrows',
    'inventory/up.ts',
    "\nimport type { Listed } from '../kubelet/contract.ts';",
    'inventory/up.ts:2: inventory may not import kubelet/contract.ts',
  ],
  [
    'an inline type import against the arrows',
    'inventory/up.ts',
    "type T = import('../kubelet/contract.ts').Listed;",
    'inventory/up.ts:1: inventory may not import kubelet/contract.ts',
  ],
  [
    'a dynamic import against the arrows',
    'lib/late.ts',
    "export const load = () => import('../kubelet/serve.ts');",
    'lib/late.ts:1: lib may not import kubelet/serve.ts',
  ],
  [
    'an import for its effect against the arrows',
    'lib/effect.ts',
    "import '../kubelet/serve.ts';",
    'lib/effect.ts:1: lib may not import kubelet/serve.ts',
  ],
  [
    'a value where only types may be taken',
    'kubelet/value.ts',
    "import { type Gpu, read } from '../inventory/gpu.ts';",
    'kubelet/value.ts:1: kubelet may not import inventory/gpu.ts',
  ],
  [
    'another file than the one that is allowed',
    'simulator/peek.ts',
    "import { serve } from '../kubelet/serve.ts';",
    'simulator/peek.ts:1: simulator may not import kubelet/serve.ts',
  ],
  [
    'a dynamic import that cannot be followed',
    'lib/late.ts',
    'export const load = (name) => import(`./${name}.ts`);',
    'lib/late.ts:1: imports what is not a plain string',
  ],
  ['a folder that the table does not know', 'utils/x.ts', '', 'utils/x.ts: utils is not in the import table'],
  ['a file beside the folders', 'other.ts', '', 'other.ts: other.ts is not in the import table'],
  [
    'an import without its ending',
    'lib/ending.ts',
    "import { log } from './log';",
    'lib/ending.ts:1: imports ./log, which is no source file',
  ],
  [
    'an import from outside the source',
    'lib/outside.ts',
    "import { x } from '../../test/x.ts';",
    'lib/outside.ts:1: imports ../../test/x.ts, which is no source file',
  ],
  [
    'a package in a foreign place',
    'kubelet/log.ts',
    "import { pino } from 'pino';",
    'kubelet/log.ts:1: may not import the package pino',
  ],
  [
    'a part of a package in a foreign place',
    'lib/grpc.ts',
    "import type { Server } from '@grpc/grpc-js/build/src/server.js';",
    'lib/grpc.ts:1: may not import the package @grpc/grpc-js',
  ],
  [
    'a package that nobody chose',
    'lib/pad.ts',
    "import pad from 'left-pad';",
    'lib/pad.ts:1: the package left-pad is not in the package table',
  ],
  [
    'the process',
    'kubelet/env.ts',
    'const home = process.env.HOME;',
    'kubelet/env.ts:1: touches the global process',
  ],
  [
    'the process inside a template',
    'lib/env.ts',
    'const home = `${`${process.pid}`}`;',
    'lib/env.ts:1: touches the global process',
  ],
  [
    'the process by import',
    'lib/env.ts',
    "import { env } from 'node:process';",
    'lib/env.ts:1: touches the global process',
  ],
  [
    'the process by the global object',
    'lib/env.ts',
    "globalThis['process'].exit();",
    'lib/env.ts:1: touches the global process',
  ],
  [
    'the process behind a local of that name',
    'lib/own.ts',
    'const process = spawn();\nprocess.env.X = 1;',
    'lib/own.ts:2: touches the global process',
  ],
  [
    'a default export',
    'lib/main.ts',
    'export default function run() {}',
    'lib/main.ts:1: exports a default; give it its name',
  ],
  [
    'a default export by name',
    'lib/main.ts',
    'const x = 1;\nexport { x as default };',
    'lib/main.ts:2: exports a default; give it its name',
  ],
  [
    'an index file',
    'lib/index.ts',
    'export const x = 1;',
    'lib/index.ts: is a barrel; name the files themselves',
  ],
  [
    'a re-export of everything',
    'lib/all.ts',
    "export * from './log.ts';",
    'lib/all.ts:1: passes on ./log.ts; name the file itself',
  ],
  [
    'a re-export by name',
    'lib/all.ts',
    "export { log } from './log.ts';",
    'lib/all.ts:1: passes on ./log.ts; name the file itself',
  ],
  [
    'a re-export of a type',
    'lib/all.ts',
    "export type { Log } from './log.ts';",
    'lib/all.ts:1: passes on ./log.ts; name the file itself',
  ],
  [
    'too many lines of code',
    'lib/long.ts',
    'let a;\n/*\n*/\n`\n\n`;\n\n// x\nlet b;\nlet c;',
    'lib/long.ts: has 6 lines of code, over 5',
  ],
  [
    'a Node module in a pure folder',
    'inventory/fs.ts',
    "import { readFileSync } from 'node:fs';",
    'inventory/fs.ts:1: is pure and imports node:fs',
  ],
  [
    'a clock in a pure folder',
    'inventory/age.ts',
    "import { now } from '../lib/clock.ts';",
    'inventory/age.ts:1: is pure and imports ../lib/clock.ts',
  ],
  [
    'a log in a pure folder',
    'inventory/tell.ts',
    "import type { Log } from '../lib/log.ts';",
    'inventory/tell.ts:1: is pure and imports ../lib/log.ts',
  ],
  [
    'the time of day in a pure folder',
    'inventory/age.ts',
    'const x = Date.now();',
    'inventory/age.ts:1: is pure and uses Date',
  ],
  [
    'chance in a pure folder',
    'inventory/dice.ts',
    'const x = Math.random();',
    'inventory/dice.ts:1: is pure and uses random',
  ],
  [
    'waiting in a pure folder',
    'inventory/wait.ts',
    'const f = async () => 1;',
    'inventory/wait.ts:1: is pure and uses async',
  ],
])('a planted breach is found: %s', (_title, path, text, breach) => {
  expect(breachesWith({ [path]: text })).toEqual([breach]);
});

test.each<[string, Readonly<Record<string, string>>, string]>([
  [
    'of two files',
    { 'lib/a.ts': "import { b } from './b.ts';", 'lib/b.ts': "import { a } from './a.ts';" },
    'lib/a.ts → lib/b.ts → lib/a.ts: a cycle',
  ],
  [
    'of three, by types and dynamic imports',
    {
      'lib/a.ts': "import type { B } from './b.ts';",
      'lib/b.ts': "export const c = () => import('./c.ts');",
      'lib/c.ts': "import './a.ts';",
    },
    'lib/a.ts → lib/b.ts → lib/c.ts → lib/a.ts: a cycle',
  ],
  ['of one', { 'lib/a.ts': "import { a } from './a.ts';" }, 'lib/a.ts → lib/a.ts: a cycle'],
])('a planted cycle is found: %s', (_title, planted, breach) => {
  expect(breachesWith(planted)).toEqual([breach]);
});

test.each<[string, Partial<ArchitectureRules>, string]>([
  ['the import table', { mayImport: { ...smallRules.mayImport, gone: [] } }, 'gone'],
  ['what may be imported', { mayImport: { ...smallRules.mayImport, lib: ['types of gone'] } }, 'gone'],
  ['the package table', { packages: { ...smallRules.packages, zod: ['gone/x.ts'] } }, 'gone/x.ts'],
  ['the files that may touch the process', { process: ['main.ts', 'gone.ts'] }, 'gone.ts'],
  ['the pure folders', { pure: ['inventory', 'gone'] }, 'gone'],
])('a rule about nothing is found: %s', (_title, changed, gone) => {
  expect(breachesWith({}, changed)).toEqual([`the rules name ${gone}, which is no source file or folder`]);
});

test('what is only written about is no import and no use', () => {
  const text = [
    "// import { serve } from '../kubelet/serve.ts'; process.exit()",
    "/* import '../kubelet/serve.ts' */ const a = { process: 'import x from \"pino\"' };",
    'const b = `import "pino"; process ${a.process} export * from "pino"`;',
    'function d(process: Child) { process.admit(process); }',
    'const c = /import "pino" [/] process/.test(b) || 6 / 2 / 1 > import.meta.line;',
  ].join('\n');
  expect(breachesWith({ 'lib/words.ts': text })).toEqual([]);
});

test.each([
  ["import a from 'x';", 'import', false],
  ["import a, { type B } from 'x';", 'import', false],
  ["import * as a from 'x';", 'import', false],
  ["import type A from 'x';", 'import', true],
  ["import type { A } from 'x';", 'import', true],
  ["import type * as A from 'x';", 'import', true],
  ["import { type A, type B as C } from 'x';", 'import', true],
  ["import { type A, b } from 'x';", 'import', false],
  ["import type, { a } from 'x';", 'import', false],
  ["import {\n  a,\n  b,\n} from 'x';", 'import', false],
  ["import {} from 'x';", 'import', false],
  ["import data from 'x' with { type: 'json' };", 'import', false],
  ["export * as a from 'x';", 're-export', false],
  ["export type * from 'x';", 're-export', true],
  ["export { type A } from 'x';", 're-export', true],
  ["const { a } = await import('x');", 'dynamic', false],
  ["let a: typeof import('x');", 'dynamic', true],
])('%s', (text, form, typesOnly) => {
  expect(findImports(tokenize(text))).toEqual([{ form, specifier: 'x', typesOnly, line: 1 }]);
});

test.each(["'open", '`open ${a}', 'let a = /open\n'])(
  'text that cannot be read is not passed over: %s',
  (text) => {
    expect(() => tokenize(text)).toThrow(/^line 1: /);
  },
);
