import { appendFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildPrograms } from '../build/build-programs.ts';
import { whyNoCluster } from '../build/needs.ts';
import { attachCluster, type Cluster, startCluster } from '../node/cluster.ts';
import { layOutImage } from '../support/agent-image-files.ts';
import { openNodeOf } from '../support/cluster-node.ts';
import { soakGpu } from './gpus-of-soak.ts';
import { reportSoak, soakFigures } from './report.ts';
import { soak } from './soak.ts';

const usage = `npm run soak -- [options]
  --minutes N           how long (default 15; no limit when only --steps is given)
  --steps N             end after so many steps
  --seed N              the same steps again; printed when left out
  --gpus N              default 8
  --output text|json
  --logs FOLDER         where to keep the logs; by default a new folder, and only after a violation
`;

/** Soaks a real cluster: `npm run soak -- --help`. Exits with 1 after a violation, and with 2 after a wrong option. */
const values = readOptions();

function readOptions() {
  try {
    const { values: given } = parseArgs({
      options: {
        minutes: { type: 'string' },
        steps: { type: 'string' },
        seed: { type: 'string' },
        gpus: { type: 'string' },
        output: { type: 'string', default: 'text' },
        logs: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (!['text', 'json'].includes(given.output))
      throw new Error(`--output is ${given.output}; give text or json`);
    const limited = given.steps === undefined ? 15 : Number.POSITIVE_INFINITY;
    return {
      ...given,
      minutes: readNumber('--minutes', given.minutes, limited),
      steps: readNumber('--steps', given.steps, Number.POSITIVE_INFINITY),
      seed: readNumber('--seed', given.seed, Math.ceil(Math.random() * 1_000_000)),
      gpus: readNumber('--gpus', given.gpus, 8),
    };
  } catch (thrown) {
    process.stderr.write(`${String(thrown)}\n${usage}`);
    process.exit(2);
  }
}

/** @throws with the option's name when it is no positive number */
function readNumber(option: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (!(number > 0)) throw new Error(`${option} is ${JSON.stringify(text)}; give a number above 0`);
  return number;
}

/** A line that is written over, or on no terminal one each half minute. */
function progressLine(): (text: string) => void {
  const { stderr } = process;
  let saidMs = Number.NEGATIVE_INFINITY;
  const startMs = performance.now();
  return (text) => {
    const nowMs = performance.now();
    if (!stderr.isTTY && nowMs - saidMs < 30_000) return;
    saidMs = nowMs;
    const line = `${((nowMs - startMs) / 60_000).toFixed(1)} min, ${text}`;
    stderr.write(stderr.isTTY ? `\r\u001b[2K${line.slice(0, (stderr.columns ?? 80) - 1)}` : `${line}\n`);
  };
}

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const reason = whyNoCluster();
  if (reason !== null) throw new Error(`No cluster can run here: ${reason}`);
  const { seed, steps, minutes, gpus } = values;
  process.stderr.write(`seed ${seed}\n`);

  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const logs = values.logs ?? join(tmpdir(), `slicewise-soak-${seed}-${Date.now()}`);
  await mkdir(logs, { recursive: true });
  const stepLog = join(logs, 'steps.log');
  await writeFile(stepLog, `seed ${seed}\n`);
  let failed = true;
  try {
    await using cluster = await openCluster(join(folder, 'c'));
    const image = await layOutImage(cluster.programs.path('agent.tar'), join(folder, 'image'));
    try {
      await using node = await openNodeOf(cluster, image, { gpus, gpu: soakGpu });
      const result = await soak(node, {
        seed,
        steps,
        durationMs: minutes * 60_000,
        log: (line) => appendFileSync(stepLog, `${line}\n`),
        progress: progressLine(),
        keepAgentLogs: async (all) => {
          for (const [at, lines] of all.entries())
            await writeFile(
              join(logs, `agent-${at}.log`),
              lines.map((line) => JSON.stringify(line)).join('\n'),
            );
        },
      });
      if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K');
      failed = result.violations.length > 0;
      process.stdout.write(
        values.output === 'json' ? `${JSON.stringify(soakFigures(result), null, 2)}\n` : reportSoak(result),
      );
    } finally {
      for (const name of ['kubelet.log', 'containerd.log', 'kube-scheduler.log'])
        await copyFile(join(cluster.paths.log, name), join(logs, name));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
    if (failed) {
      process.exitCode = 1;
      process.stderr.write(`Seed ${seed}. The step log, the agents' logs and the kubelet's are in ${logs}\n`);
    } else if (values.logs === undefined) await rm(logs, { recursive: true });
  }
}

/** A cluster of its own, or the one that runs already in the folder `CLUSTER_STATE`. */
async function openCluster(state: string): Promise<Cluster> {
  const running = process.env['CLUSTER_STATE'] ?? '';
  return running === '' ? startCluster(await buildPrograms(), state) : attachCluster(running);
}

try {
  await main();
} catch (thrown) {
  process.exitCode = 1;
  process.stderr.write(`The soak did not come to its end. ${String(thrown)}\n`);
}
