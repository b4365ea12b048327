import type { Finding, GpuVerdict, Verdicts } from '../../health/verdict.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Node } from '../node.ts';

/** So many lines of one GPU in `perMs`; a storm of faults must not fill the node's disk. */
const mostLines = 10;
const perMs = 60_000;

/** Says what is new about each GPU's health, once. Ends with the signal. */
export async function reportVerdicts(
  { health, inventory }: Pick<Node, 'health' | 'inventory'>,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  const report = new VerdictReport(clock, log, (uuid) => {
    return inventory.value.reading?.snapshot.gpus.find((gpu) => gpu.uuid === uuid)?.index ?? null;
  });
  await health.verdicts.each((verdicts) => report.tell(verdicts), signal);
}

class VerdictReport {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #indexOf: (uuid: string) => number | null;
  readonly #lines = new Map<string, { sinceMs: number; count: number }>();
  #before: Verdicts['gpus'] = new Map();

  constructor(clock: Clock, log: Log, indexOf: (uuid: string) => number | null) {
    this.#clock = clock;
    this.#log = log;
    this.#indexOf = indexOf;
  }

  tell({ gpus }: Verdicts): void {
    for (const verdict of gpus.values()) {
      const before = this.#before.get(verdict.gpu);
      if (before === verdict) continue;
      this.#tellFindings(verdict, before?.findings ?? []);
      this.#tellState(verdict, before);
    }
    for (const gpu of this.#lines.keys()) if (!gpus.has(gpu)) this.#lines.delete(gpu);
    this.#before = gpus;
  }

  #tellFindings({ gpu, findings }: GpuVerdict, before: readonly Finding[]): void {
    const effects = new Map(before.map(({ key, effect }) => [key, effect]));
    for (const { key, effect, what, remedy, xid, xidClass, scope } of findings) {
      if (effects.get(key) === effect) continue;
      this.#say(gpu, effect === 'unhealthy' ? 'warn' : 'info', `${what}: ${outcomes[effect]}`, {
        ...(xid !== null && { xid, class: xidClass }),
        ...(scope !== null && { migInstance: scope }),
        remedy,
      });
    }
  }

  /** That it is out is told with what has put it out. */
  #tellState({ gpu, state, unmonitored }: GpuVerdict, before: GpuVerdict | undefined): void {
    if (unmonitored !== (before?.unmonitored ?? null)) {
      if (unmonitored === null) this.#say(gpu, 'info', 'faults of the GPU would be told again', {});
      else this.#say(gpu, 'warn', 'faults of the GPU would not be told', { reason: unmonitored });
    }
    if (before?.state === 'unhealthy' && state !== 'unhealthy')
      this.#say(gpu, 'info', 'nothing is held against the GPU any more', { state });
  }

  #say(gpu: string, level: 'info' | 'warn', message: string, fields: object): void {
    const nowMs = this.#clock.now();
    const known = this.#lines.get(gpu);
    const lines = known === undefined || nowMs - known.sinceMs > perMs ? { sinceMs: nowMs, count: 0 } : known;
    lines.count += 1;
    this.#lines.set(gpu, lines);
    const index = this.#indexOf(gpu);
    const named = { gpu, ...(index !== null && { index }) };
    if (lines.count <= mostLines) this.#log[level]({ ...named, ...fields }, message);
    if (lines.count === mostLines)
      this.#log.warn(named, "more about this GPU is not logged for a minute: see 'slicewise health'");
  }
}

const outcomes = {
  unhealthy: 'nothing new is given out there',
  degraded: 'the GPU is given out all the same',
  noted: 'the GPU has nothing',
} as const satisfies Readonly<Record<Finding['effect'], string>>;
