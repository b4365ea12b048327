import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../charts/slicewise/files/test-offers.mjs', import.meta.url));

/** A node with an agent. */
interface StandIn {
  readonly serving?: number;
  /** Healthy devices by resource. */
  readonly offers: Readonly<Record<string, number>>;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly words?: string;
  /** False: nothing listens there. */
  readonly answers?: boolean;
}

async function serve(host: string, port: number, answer: (url: string) => string | null): Promise<Server> {
  const server = createServer((request, response) => {
    const body = answer(request.url ?? '');
    response.writeHead(body === null ? 404 : 200).end(body ?? 'no such thing');
  });
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** Runs the script of the chart's test beside an API server and agents that say what they are told, each at an address of its own. */
async function runTest(
  nodes: readonly StandIn[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  await using held = new AsyncDisposableStack();
  const keep = (server: Server): Server => {
    held.defer(() => void server.close());
    return server;
  };
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  held.defer(async () => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'token'), 'a-token');
  const pods = nodes.map((_node, index) => ({
    metadata: {},
    spec: { nodeName: `node${index}` },
    status: { podIP: `127.0.0.${index + 2}` },
  }));
  const api = keep(
    await serve('127.0.0.1', 0, (url) => {
      if (url === '/api/v1/namespaces/gpus/pods?labelSelector=app%3Dagents')
        return JSON.stringify({ items: pods });
      const [, index] = /^\/api\/v1\/nodes\/node(\d+)$/.exec(url) ?? [];
      const node = nodes[Number(index)];
      return node === undefined ? null : JSON.stringify({ status: { allocatable: node.allocatable } });
    }),
  );
  for (const [index, { answers = true, serving = 1, offers, words = 'ok' }] of nodes.entries()) {
    if (!answers) continue;
    const metrics = [
      `slicewise_serving ${serving}`,
      ...Object.entries(offers).flatMap(([resource, count]) => [
        `slicewise_devices{resource="${resource}",health="healthy"} ${count}`,
        `slicewise_devices{resource="${resource}",health="unhealthy"} 7`,
      ]),
    ].join('\n');
    keep(
      await serve(`127.0.0.${index + 2}`, portOf(api), (url) =>
        url === '/metrics' ? metrics : `${words}\n`,
      ),
    );
  }
  return await new Promise((resolve) => {
    const all = {
      NAMESPACE: 'gpus',
      SELECTOR: 'app=agents',
      HTTP_PORT: String(portOf(api)),
      EVERY_NODE: 'false',
      LIMITS: '{}',
      PATIENCE_SECONDS: '0',
      ACCOUNT_FOLDER: folder,
      API_SERVER: `http://127.0.0.1:${portOf(api)}`,
      ...env,
    };
    execFile(process.execPath, [script], { env: all }, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), lines: stdout.trimEnd().split('\n') });
    });
  });
}

const gpu = 'nvidia.com/gpu';
const good: StandIn = { offers: { [gpu]: 4 }, allocatable: { [gpu]: '4' } };
const empty: StandIn = { offers: {}, allocatable: {}, words: 'waits for a driver' };

const cases: readonly (readonly [name: string, nodes: readonly StandIn[], problems: readonly string[]])[] = [
  ['agreement', [good], []],
  ['nodes without GPUs beside others', [good, empty], []],
  [
    'another amount on the node',
    [{ ...good, allocatable: { [gpu]: '3' } }],
    ["node0: its agent offers 4 of nvidia.com/gpu, and the node's status says 3"],
  ],
  [
    'a resource that the node does not know',
    [good, { ...good, allocatable: {} }],
    ["node1: its agent offers 4 of nvidia.com/gpu, and the node's status says 0"],
  ],
  ['nothing to give', [empty, empty], ['no node has anything to give']],
  [
    'GPUs that are all Unhealthy',
    [{ offers: { [gpu]: 0 }, allocatable: { [gpu]: '0' } }],
    ['no node has anything to give'],
  ],
  ['no agents', [], ['no agent runs in the namespace gpus (app=agents)']],
  ['a node that no agent serves', [good, { ...good, serving: 0 }], ['node1: no agent serves it']],
];

test.for(cases)('%s', async ([, nodes, problems]) => {
  const { code, lines } = await runTest(nodes);
  expect(lines.filter((line) => line.startsWith('FAILED: '))).toEqual(
    problems.map((problem) => `FAILED: ${problem}`),
  );
  expect(code).toBe(problems.length === 0 ? 0 : 1);
});

test('an agent that does not answer is told with the reason', async () => {
  const { code, lines } = await runTest([good, { ...good, answers: false }]);
  expect(code).toBe(1);
  expect(lines.join('\n')).toMatch(/node1: its agent does not answer: \S+metrics: connect ECONNREFUSED/);
});

test('where all nodes have GPUs, each has to have something to give, and the agent says why not', async () => {
  const { code, lines } = await runTest([good, empty], { EVERY_NODE: 'true' });
  expect(code).toBe(1);
  expect(lines).toContain('FAILED: node1: it has nothing to give: waits for a driver');
});

test('an API server that refuses is told, with its words', async () => {
  const { code, lines } = await runTest([good], { NAMESPACE: 'other' });
  expect(code).toBe(1);
  expect(lines.join('\n')).toMatch(/FAILED: the API server answers \S+other\S+ with 404: no such thing/);
});

test.for([
  ['GPU-1', 0],
  ['all', 1],
] as const)('with limits of its own it is told which GPU it has: %s', async ([visible, code]) => {
  const limits = { LIMITS: '{"nvidia.com/gpu":1}', NVIDIA_VISIBLE_DEVICES: visible };
  const end = await runTest([good], limits);
  expect(end.lines).toContain(`    NVIDIA_VISIBLE_DEVICES=${visible}`);
  expect(end.code).toBe(code);
});

test('a container takes it for its arguments as it is', async () => {
  // There $(NAME) is a variable, and $$ is $.
  expect(await readFile(script, 'utf8')).not.toMatch(/\$\(|\$\$/);
});
