import { connect } from 'node:net';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { OperatorError } from '../../src/lib/errors.ts';
import { silentLog } from '../../src/lib/log.ts';
import { serveHttp, type HttpServer } from '../../src/metrics/http.ts';
import type { HttpHandlers, Probe } from '../../src/metrics/routes.ts';

const loopback = { host: '127.0.0.1', port: 0 };
const good: Probe = { ok: true, reasons: [] };

const stop = new AbortController();
const servers: HttpServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

async function start(handlers: Partial<HttpHandlers> = {}, signal = stop.signal): Promise<HttpServer> {
  const server = await serveHttp(
    { address: loopback },
    {
      ready: () => good,
      live: () => good,
      metrics: async () => 'up 1\n',
      metricsContentType: 'text/plain; version=0.0.4',
      ...handlers,
    },
    { log: silentLog() },
    signal,
  );
  servers.push(server);
  return server;
}

function get({ port }: HttpServer, path: string, method = 'GET'): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}${path}`, { method });
}

/** Sends bytes as they are and resolves with everything that comes back until the other side closes. */
async function exchange({ port }: HttpServer, bytes: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
  let received = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => (received += text));
  socket.on('close', () => resolve(received));
  socket.on('error', reject);
  return promise;
}

test.each([
  ['/livez', 'ok\n', 'text/plain; charset=utf-8'],
  ['/readyz', 'ok\n', 'text/plain; charset=utf-8'],
  ['/readyz?verbose', 'ok\n', 'text/plain; charset=utf-8'],
  ['/metrics', 'up 1\n', 'text/plain; version=0.0.4'],
  ['/', '/livez\n/readyz\n/metrics\n', 'text/plain; charset=utf-8'],
])('GET %s answers 200', async (path, body, contentType) => {
  const response = await get(await start(), path);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe(contentType);
  expect(await response.text()).toBe(body);
});

test.each<[string, Probe, number, string]>([
  ['all is well', good, 200, 'ok\n'],
  [
    'all is well and there is something to know',
    { ok: true, reasons: ['stands by'] },
    200,
    'ok\nstands by\n',
  ],
  ['two reasons', { ok: false, reasons: ['no driver', 'no kubelet'] }, 503, 'no driver\nno kubelet\n'],
  ['a reason of two lines', { ok: false, reasons: ['bad config:\r\n  key'] }, 503, 'bad config: key\n'],
  ['no reason given', { ok: false, reasons: [] }, 503, 'not ok\n'],
])('a probe tells a person why: %s', async (_title, probe, status, body) => {
  const server = await start({ ready: () => probe, live: () => probe });
  for (const path of ['/readyz', '/livez']) {
    const response = await get(server, path);
    expect([response.status, await response.text()]).toEqual([status, body]);
  }
});

test('readiness and liveness are asked apart, and at every request', async () => {
  let ready = false;
  const server = await start({ ready: () => ({ ok: ready, reasons: [] }) });
  expect((await get(server, '/readyz')).status).toBe(503);
  expect((await get(server, '/livez')).status).toBe(200);
  ready = true;
  expect((await get(server, '/readyz')).status).toBe(200);
});

test('HEAD answers like GET, without the body', async () => {
  const answer = await exchange(await start(), 'HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer).toMatch(/content-length: 5\r\n/i);
  expect(answer.endsWith('\r\n\r\n')).toBe(true);
});

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])(
  '%s is refused, and what is allowed is named',
  async (method) => {
    const response = await get(await start(), '/metrics', method);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
  },
);

test.each(['/metrics/', '/healthz', '//metrics', '/__proto__', '/constructor', '/../etc/passwd', '/%2e'])(
  '%s is not found',
  async (path) => {
    const answer = await exchange(await start(), `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  },
);

test.each([
  ['no HTTP at all', 'hello\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['a TLS greeting', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001', /^HTTP\/1\.1 400 /],
  ['an HTTP/1.1 request without a host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
  [
    'two lengths',
    'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    /^HTTP\/1\.1 400 /,
  ],
  ['headers beyond 8 KiB', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(9000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
  ['an asterisk for a path', 'GET * HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 404 /],
  [
    'a body that nobody asked for',
    `GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc`,
    /^HTTP\/1\.1 200 /,
  ],
])('%s is answered, the connection closed, and the server goes on', async (_title, bytes, expected) => {
  const server = await start();
  expect(await exchange(server, bytes)).toMatch(expected);
  expect((await get(server, '/livez')).status).toBe(200);
});

test('every answer ends its connection, so that none lies idle', async () => {
  const answer = await exchange(
    await start(),
    'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n',
  );
  expect(answer).toMatch(/connection: close\r\n/i);
});

test('metrics that cannot be had answer 500, are logged once, and again after they worked', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) });
  let broken = true;
  const server = await serveHttp(
    { address: loopback },
    {
      ready: () => good,
      live: () => good,
      async metrics() {
        if (broken) throw new Error('no library');
        return '';
      },
      metricsContentType: 'text/plain',
    },
    { log },
    stop.signal,
  );
  servers.push(server);
  const response = await get(server, '/metrics');
  expect([response.status, await response.text()]).toEqual([500, 'failed: no library\n']);
  await get(server, '/metrics');
  expect((await get(server, '/livez')).status).toBe(200);
  await get(server, '/metrics');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('no library');
  broken = false;
  expect((await get(server, '/metrics')).status).toBe(200);
  broken = true;
  await get(server, '/metrics');
  expect(lines).toHaveLength(2);
});

test('a port in use says what to do', async () => {
  const { port } = await start();
  const second = serveHttp(
    { address: { host: '127.0.0.1', port } },
    { ready: () => good, live: () => good, metrics: async () => '', metricsContentType: '' },
    { log: silentLog() },
    stop.signal,
  );
  await expect(second).rejects.toThrow(OperatorError);
  await expect(second).rejects.toThrow(
    `Cannot serve HTTP on 127.0.0.1:${port}: another process listens there already; stop it, or choose another port with --http-address`,
  );
});

test.each([
  [
    '192.0.2.1',
    /^Cannot serve HTTP on 192\.0\.2\.1:9400: this machine has no such address; .*--http-address$/,
  ],
  ['2001:db8::1', /^Cannot serve HTTP on \[2001:db8::1\]:9400: .*--http-address$/],
])('an address that is not the machine’s says so: %s', async (host, expected) => {
  const attempt = serveHttp(
    { address: { host, port: 9400 } },
    { ready: () => good, live: () => good, metrics: async () => '', metricsContentType: '' },
    { log: silentLog() },
    stop.signal,
  );
  await expect(attempt).rejects.toThrow(expected);
});

test('disposing cuts connections that wait and frees the port', async () => {
  const held = Promise.withResolvers<string>();
  const server = await start({ metrics: () => held.promise });
  const silent = exchange(server, 'GET /met').catch(() => 'cut');
  const waiting = exchange(server, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n').catch(() => 'cut');
  await get(server, '/livez');
  await server[Symbol.asyncDispose]();
  held.resolve('too late');
  expect(await silent).not.toContain('200');
  expect(await waiting).not.toContain('too late');
  await expect(get(server, '/livez')).rejects.toThrow('fetch failed');
});

test('aborting closes the server, and disposing after it is no error', async () => {
  const controller = new AbortController();
  const server = await start({}, controller.signal);
  controller.abort();
  await server[Symbol.asyncDispose]();
  await expect(get(server, '/livez')).rejects.toThrow('fetch failed');
});

test('a signal that has aborted starts nothing', async () => {
  await expect(start({}, AbortSignal.abort())).rejects.toThrow('aborted');
});
