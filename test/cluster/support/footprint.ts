import { existsSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a node is known by on the machine that it runs on. */
export interface NodeTraces {
  readonly state: string;
  readonly cgroup: string;
  /** As `/proc/self/ns/net` reads: `net:[4026531840]`. */
  readonly networkNamespace: string;
}

/** Settings of the whole machine that a kubelet would change. */
const settings = ['vm/overcommit_memory', 'vm/panic_on_oom', 'kernel/panic', 'kernel/panic_on_oops'];

export async function machineSettings(): Promise<Readonly<Record<string, string>>> {
  const read = settings.map(async (name) => [name, await readFile(join('/proc/sys', name), 'utf8')]);
  return Object.fromEntries(await Promise.all(read)) as Record<string, string>;
}

/** Everything on this machine that belongs to the node; empty when it has gone without a trace. */
export async function findTraces({
  state,
  cgroup,
  networkNamespace,
}: NodeTraces): Promise<readonly string[]> {
  const traces: string[] = [];
  if (existsSync(state)) traces.push(`folder ${state}`);
  if (existsSync(join(tmpdir(), 'slicewise-clusters', cgroup))) traces.push(`note of ${cgroup}`);
  for (const hierarchy of await readdir('/sys/fs/cgroup')) {
    const own = join('/sys/fs/cgroup', hierarchy, cgroup);
    if (existsSync(own)) traces.push(`cgroup ${own}`);
  }
  if (existsSync(join('/sys/fs/cgroup', cgroup))) traces.push(`cgroup ${cgroup}`);
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  traces.push(...mounts.split('\n').filter((line) => line.includes(state)));
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [namespace, command] = await Promise.all([
      readlink(`/proc/${pid}/ns/net`).catch(() => ''),
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
    ]);
    if (namespace === networkNamespace) traces.push(`process ${pid}: ${command.replaceAll('\0', ' ')}`);
  }
  return traces;
}
