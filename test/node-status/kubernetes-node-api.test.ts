import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openNodeApi } from '../../src/cluster/kubernetes-node-api.ts';
import type { NodeApi } from '../../src/cluster/node-api.ts';
import { shortFolder } from '../support/short-folder.ts';
import { ApiServer, bootId, nodeName, refusal, type Fault } from '../support/api-server.ts';

const gpu = 'nvidia.com/gpu';
const forEver = new AbortController().signal;
const change = { amounts: { [gpu]: 3 }, grows: false };

async function open(timeoutMs = 20_000): Promise<{ readonly server: ApiServer; readonly api: NodeApi }> {
  const server = new ApiServer();
  await server.start();
  Object.assign(server.capacity, { [gpu]: '4' });
  Object.assign(server.allocatable, { [gpu]: '4' });
  const api = openNodeApi({ nodeName, kubeconfig: server.kubeconfig, timeoutMs });
  onTestFinished(async () => {
    await api[Symbol.asyncDispose]();
  });
  return { server, api };
}

test('reads and patches the status of one node, and shows its token', async () => {
  const { server, api } = await open();
  expect(await api.read(forEver)).toEqual({
    ok: true,
    value: { capacity: { [gpu]: '4' }, allocatable: { cpu: '8', [gpu]: '4' }, bootId },
  });
  expect(await api.write(change, forEver)).toMatchObject({
    ok: true,
    value: { allocatable: { [gpu]: '3' } },
  });
  const path = `/api/v1/nodes/${nodeName}/status`;
  expect(server.asked).toEqual([
    { method: 'GET', path, contentType: undefined, authorization: 'Bearer secret', body: '' },
    {
      method: 'PATCH',
      path,
      contentType: 'application/merge-patch+json',
      authorization: 'Bearer secret',
      body: `{"status":{"allocatable":{"${gpu}":"3"}}}`,
    },
  ]);
});

test('keeps its connections', async () => {
  const { server, api } = await open();
  for (let count = 0; count < 10; count += 1) await api.read(forEver);
  expect(server.asked).toHaveLength(10);
  // The client's pool may open a second one; a connection for each request would be ten.
  expect(server.connections).toBeLessThan(4);
});

test.each<[string, Fault, string, string]>([
  [
    'an account without the right',
    refusal(403, 'nodes "gpu-1" is forbidden: User "x" cannot get resource "nodes/status"'),
    'refused',
    'the API server does not let the agent write the status of node gpu-1 (HTTP 403: nodes "gpu-1" is forbidden: User "x" cannot get resource "nodes/status"): it needs a ClusterRole with the verbs get and patch on nodes/status, as in deploy/fast-status',
  ],
  ['a token that has expired', refusal(401, 'Unauthorized'), 'refused', '(HTTP 401): it needs a ClusterRole'],
  [
    'another name than the node has',
    refusal(404, 'nodes "gpu-1" not found'),
    'no-node',
    'the API server knows no node gpu-1 (HTTP 404: nodes "gpu-1" not found): give the node\'s name (cluster.nodeName, --node-name, NODE_NAME)',
  ],
  [
    'a conflict',
    refusal(409, 'the object has been modified'),
    'conflict',
    'somebody else is changing node gpu-1',
  ],
  [
    'too many requests',
    refusal(429, 'too many requests'),
    'throttled',
    'the API server is busy (HTTP 429: too many',
  ],
  ['an error of its own', refusal(500, 'etcd is gone'), 'failed', '(HTTP 500: etcd is gone)'],
  ['a proxy', { code: 502, body: '<html>' }, 'failed', '(HTTP 502)'],
  ['an answer that is no JSON', { code: 200, body: '{' }, 'unreachable', 'cannot be asked: '],
  ['a connection that is cut', 'hang-up', 'unreachable', 'cannot be asked: fetch failed'],
  ['silence', 'silent', 'unreachable', 'cannot be asked: no answer within 0.3 s'],
])('says what is the matter: %s', async (_title, fault, kind, message) => {
  const { server, api } = await open(fault === 'silent' ? 300 : undefined);
  server.fault = fault;
  for (const answer of [await api.read(forEver), await api.write(change, forEver)]) {
    expect(answer).toMatchObject({ ok: false, problem: { kind, retryAfterMs: 0 } });
    expect(answer.ok ? '' : answer.problem.message).toContain(message);
  }
  server.fault = null;
  expect(await api.read(forEver)).toMatchObject({ ok: true });
});

test('says how long a busy API server wants to be left alone', async () => {
  const { server, api } = await open();
  server.fault = refusal(429, 'later', { 'retry-after': '7' });
  expect(await api.read(forEver)).toMatchObject({ ok: false, problem: { retryAfterMs: 7000 } });
});

test('says so when nobody listens', async () => {
  const { server, api } = await open();
  server.stop();
  const answer = await api.read(forEver);
  expect(answer.ok ? '' : answer.problem.message).toMatch(
    /^the API server at http:.* cannot be asked: .*ECONNREFUSED/,
  );
});

test('a call ends with its signal', async () => {
  const { server, api } = await open();
  server.fault = 'silent';
  const stop = new AbortController();
  const reading = api.read(stop.signal);
  stop.abort('SIGTERM');
  expect(await reading).toMatchObject({ ok: false });
});

test('without a way to the API server it says what to do', async () => {
  const options = { nodeName, timeoutMs: 1000 };
  expect(() => openNodeApi({ ...options, kubeconfig: null })).toThrow(
    /automountServiceAccountToken.*--kubeconfig/,
  );
  const folder = await shortFolder();
  expect(() => openNodeApi({ ...options, kubeconfig: join(folder, 'none') })).toThrow(
    /^The kubeconfig .*none cannot be used/,
  );
  const empty = join(folder, 'empty');
  await writeFile(empty, '{}');
  expect(() => openNodeApi({ ...options, kubeconfig: empty })).toThrow(/no current context|cannot be used/);
});

const model = 'nvidia.com/gpu.product';

test('applies labels as a manager of its own, and knows whose the others are', async () => {
  const { server, api } = await open();
  server.labels.set('example.com/x', { value: '1', manager: 'kubectl' });
  expect(await api.identify(forEver)).toEqual({ ok: true, value: { uid: 'uid-1', bootId } });
  expect(await api.applyLabels({ [model]: 'a', [gpu]: '4' }, 'uid-1', forEver)).toEqual({
    ok: true,
    value: null,
  });
  expect(server.asked.at(-1)).toMatchObject({
    method: 'PATCH',
    path: `/api/v1/nodes/${nodeName}?fieldManager=slicewise-labels`,
    contentType: 'application/apply-patch+yaml',
    body: `{"apiVersion":"v1","kind":"Node","metadata":{"name":"gpu-1","uid":"uid-1","labels":{"${model}":"a","${gpu}":"4"}}}`,
  });
  expect(await api.applyLabels({ [gpu]: '5' }, 'uid-1', forEver)).toMatchObject({ ok: true });
  expect(Object.fromEntries([...server.labels].map(([name, { value }]) => [name, value]))).toEqual({
    'example.com/x': '1',
    [gpu]: '5',
  });
  expect(await api.applyLabels({ 'example.com/x': '2', [gpu]: '6' }, 'uid-1', forEver)).toMatchObject({
    ok: false,
    problem: { kind: 'conflict', fields: ['.metadata.labels.example.com/x'] },
  });
  expect(server.labels.get(gpu)?.value).toBe('5');
});

test('a node that was made anew is not labelled as the one before', async () => {
  const { server, api } = await open();
  server.uid = 'uid-2';
  const answer = await api.applyLabels({ [gpu]: '5' }, 'uid-1', forEver);
  expect(answer).toMatchObject({ ok: false, problem: { kind: 'conflict' } });
  expect(answer).not.toHaveProperty('problem.fields');
  expect(server.labels.size).toBe(0);
});

test('says which right labels need', async () => {
  const { server, api } = await open();
  server.fault = refusal(403, 'no');
  expect(await api.identify(forEver)).toMatchObject({
    problem: {
      message:
        'the API server does not let the agent write the labels of node gpu-1 (HTTP 403: no): it needs a ClusterRole with the verbs get and patch on nodes, as in deploy/labels',
    },
  });
});
