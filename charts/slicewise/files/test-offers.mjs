// What `helm test` runs, in a pod of the agent's image: asks each agent what it offers and the API server what its node can give, and ends
// with 0 when they agree and there is something to give. A pod with limits of its own then shows what it was given.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const { NAMESPACE, SELECTOR, HTTP_PORT, EVERY_NODE, LIMITS, PATIENCE_SECONDS } = process.env;
const account = process.env.ACCOUNT_FOLDER ?? '/var/run/secrets/kubernetes.io/serviceaccount';
const inUrl = (address) => (address.includes(':') ? `[${address}]` : address);
const server =
  process.env.API_SERVER ??
  `https://${inUrl(process.env.KUBERNETES_SERVICE_HOST)}:${process.env.KUBERNETES_SERVICE_PORT}`;
const agreed = new Set();

async function ask(url, options = {}) {
  const response = await fetch(url, { ...options, signal: AbortSignal.timeout(5000) }).catch((error) => {
    throw new Error(`${url}: ${error.cause?.message ?? error.message}`);
  });
  return { ok: response.ok, status: response.status, text: await response.text() };
}

async function read(path) {
  const token = readFileSync(`${account}/token`, 'utf8');
  const { ok, status, text } = await ask(`${server}${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (!ok) throw new Error(`the API server answers ${path} with ${status}: ${text.trim()}`);
  return JSON.parse(text);
}

/** Series of one metric, as pairs of labels and value. */
function seriesOf(metrics, name) {
  return metrics.split('\n').flatMap((line) => {
    const [, labels = '', value] = new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`).exec(line) ?? [];
    if (value === undefined) return [];
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, text]) => [key, text]);
    return [{ labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

/** What an agent says: null while another one serves its node. */
async function offersOf(pod) {
  const agent = `http://${inUrl(pod.status.podIP)}:${HTTP_PORT}`;
  const metrics = (await ask(`${agent}/metrics`)).text;
  if (seriesOf(metrics, 'slicewise_serving')[0]?.value !== 1) return null;
  const healthy = seriesOf(metrics, 'slicewise_devices').filter(({ labels }) => labels.health === 'healthy');
  const words = (await ask(`${agent}/readyz`)).text.trim().replaceAll('\n', '; ');
  return { counts: healthy.map(({ labels, value }) => [labels.resource, value]), words };
}

/** The agents' nodes, a line for each thing that is offered, and what is wrong. */
async function look() {
  const { items } = await read(
    `/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=${encodeURIComponent(SELECTOR)}`,
  );
  const pods = items.filter(({ metadata, status }) => !metadata.deletionTimestamp && status.podIP);
  const lines = [];
  const problems = [];
  const served = new Set();
  let sum = 0;
  for (const pod of pods) {
    const node = pod.spec.nodeName;
    const offers = await offersOf(pod).catch((error) => error);
    if (offers instanceof Error) problems.push(`${node}: its agent does not answer: ${offers.message}`);
    if (offers instanceof Error || offers === null) continue;
    served.add(node);
    const { allocatable = {} } = (await read(`/api/v1/nodes/${node}`)).status;
    let here = 0;
    for (const [resource, offered] of offers.counts) {
      const given = Number(allocatable[resource] ?? 0);
      here += given;
      lines.push(`${node}: ${resource}: ${offered} offered, ${given} allocatable`);
      // Once is enough: what is held may change what is offered at any time, and the node's status comes later.
      if (offered === given) agreed.add(`${node} ${resource}`);
      if (!agreed.has(`${node} ${resource}`))
        problems.push(
          `${node}: its agent offers ${offered} of ${resource}, and the node's status says ${given}`,
        );
    }
    if (here > 0) sum += here;
    else {
      lines.push(`${node}: nothing to give: ${offers.words}`);
      if (EVERY_NODE === 'true') problems.push(`${node}: it has nothing to give: ${offers.words}`);
    }
  }
  if (pods.length === 0) problems.push(`no agent runs in the namespace ${NAMESPACE} (${SELECTOR})`);
  for (const node of new Set(pods.map(({ spec }) => spec.nodeName)))
    if (!served.has(node)) problems.push(`${node}: no agent serves it`);
  if (pods.length > 0 && sum === 0) problems.push('no node has anything to give');
  return { lines, problems };
}

/** What this container was given for its limits. */
function showGiven() {
  const told = Object.entries(process.env).filter(([name]) =>
    /^(NVIDIA_VISIBLE_|SLICEWISE_|CUDA_)/.test(name),
  );
  const mounted = '/var/run/nvidia-container-devices';
  const given = [
    ...told.map(([name, value]) => `${name}=${value}`),
    ...readdirSync('/dev').filter((name) => /^nvidia(\d+|-caps)$/.test(name)),
    ...(existsSync(mounted) ? readdirSync(mounted).map((name) => `${mounted}/${name}`) : []),
  ];
  console.log(`asked for ${LIMITS}, and was given:`);
  for (const each of given) console.log(`    ${each}`);
  // "all" and "void" come from images and runtimes; the plugin names GPUs.
  const isGiven = given.some((each) => !/^NVIDIA_VISIBLE_DEVICES=(all|void|none|)$/.test(each));
  const problems = isGiven ? [] : [`asked for ${LIMITS}, and sees no GPU`];
  // Brought by NVIDIA's container runtime.
  const smi = '/usr/bin/nvidia-smi';
  if (existsSync(smi)) {
    const { stdout, stderr, status } = spawnSync(smi, ['-L'], { encoding: 'utf8' });
    console.log(stdout.trim());
    if (status !== 0) problems.push(`nvidia-smi ended with ${status}: ${stdout} ${stderr}`);
  }
  return problems;
}

const lookOrTell = () => look().catch(({ message }) => ({ lines: [], problems: [message] }));
const end = Date.now() + Number(PATIENCE_SECONDS) * 1000;
let seen = await lookOrTell();
while (seen.problems.length > 0 && Date.now() < end) {
  await delay(1000);
  seen = await lookOrTell();
}
for (const line of seen.lines) console.log(line);
const problems = [...seen.problems, ...(LIMITS === '{}' ? [] : showGiven())];
for (const problem of problems) console.log(`FAILED: ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
