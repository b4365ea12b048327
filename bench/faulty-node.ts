import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Subject } from './agent-under-test.ts';
import { openScenarioFile } from './scenario-file.ts';
import { openFolder } from './temp-folder.ts';

/** What befalls a GPU: an error that the driver tells unasked, or a wish for a reset that it shows when it is asked. */
export type Fault = 'told' | 'shown';

/** GPUs whose driver can be made to know of a fault. */
export interface FaultyNode extends AsyncDisposable {
  /** The subject with this node's GPUs. */
  readonly subject: Subject;
  /** Resolves when the driver can know that the fault has befallen one more GPU. */
  befall(gpu: number, fault: Fault): Promise<void>;
  /** From now on the driver tells of so many errors of programs a second. `null` where this driver cannot. */
  readonly storm: ((perSecond: number) => Promise<void>) | null;
  /** Loses a GPU, before an agent starts. */
  lose(gpu: number): Promise<void>;
}

/** The most units that a GPU may have, of 1 GiB each. */
const unitsPerGpu = 1200;

/** Through the same driver as the subject's: the stand-in libnvidia-ml, or a scenario. Each GPU has memory of `unitsPerGpu` GiB. */
export async function openFaultyNode(subject: Subject, gpus: number): Promise<FaultyNode> {
  return subject.driverArgs.includes('nvml')
    ? await openStandIn(subject, gpus)
    : await openSimulated(subject, gpus);
}

async function openStandIn(subject: Subject, gpus: number): Promise<FaultyNode> {
  await using held = new AsyncDisposableStack();
  const { path: folder } = held.use(await openFolder());
  const path = join(folder, 'nvml');
  const lines = [`gpus ${gpus}`, `gpu * memory ${unitsPerGpu * 1024}`, 'gpu * reserved 0'];
  const write = async (line: string): Promise<void> => {
    lines.push(line);
    await writeFile(`${path}.new`, `${lines.join('\n')}\n`);
    await rename(`${path}.new`, path);
  };
  await write('');
  const all = held.move();
  return {
    subject: { ...subject, env: { ...subject.env, NVML_STAND_IN_SCENARIO: path } },
    befall: (gpu, fault) =>
      write(fault === 'told' ? `event ${lines.length} ${gpu} xid 79` : `gpu ${gpu} recovery-action 1`),
    storm: (perSecond) => write(`event-rate ${perSecond}\nevent ${lines.length} 0 xid 13 - - 1000000000`),
    lose: (gpu) => write(`fault * ${gpu} return 15`),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function openSimulated(subject: Subject, count: number): Promise<FaultyNode> {
  const model = {
    model: 'a100-sxm4-80gb',
    count,
    memoryTotalMiB: unitsPerGpu * 1024,
    memoryReservedMiB: 0,
  };
  const overrides: object[] = [];
  const timeline: object[] = [];
  const content = (): object => ({ gpus: [model], overrides, timeline });
  const scenario = await openScenarioFile(content());
  return {
    subject: { ...subject, driverArgs: scenario.driverArgs },
    async befall(gpu, fault) {
      if (fault === 'told') timeline.push({ at: '0s', do: 'xid', gpu, xid: 79, id: gpu });
      else overrides.push({ gpu, recoveryAction: 'reset' });
      await scenario.replace(content());
    },
    storm: null,
    async lose(gpu) {
      overrides.push({ gpu, state: 'lost' });
      await scenario.replace(content());
    },
    [Symbol.asyncDispose]: () => scenario[Symbol.asyncDispose](),
  };
}
