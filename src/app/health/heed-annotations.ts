import { isDeepStrictEqual } from 'node:util';
import { type AckAnnotation, findAcks, findMeant } from '../../cluster/ack-annotations.ts';
import type { EventQueue } from '../../cluster/event-queue.ts';
import { type Followed, followNode } from '../../cluster/follow-node.ts';
import { type GpuHealth, nameGpu } from '../../cluster/gpu-health.ts';
import type { OwnNodeApi } from '../../cluster/node-api.ts';
import { isCondemned } from '../../health/verdict.ts';
import type { Clock } from '../../lib/clock.ts';
import { describeError } from '../../lib/errors.ts';
import { Latest } from '../../lib/latest.ts';
import type { Log } from '../../lib/log.ts';
import { warnOnceEach } from '../../lib/once-each.ts';
import { askAcknowledgement } from '../../state/acknowledgements.ts';
import { keepAcks, readKeptAcks } from '../../state/kept-acks.ts';
import type { Node } from '../node.ts';
import { runTogether } from '../supervise.ts';

export interface HeedAnnotationsDeps {
  readonly nodeName: string;
  readonly stateDir: string;
  readonly openApi: () => Promise<OwnNodeApi>;
  /** Where it is told what has become of an admin's word; `null`: nowhere. */
  readonly queue: EventQueue | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is made of one annotation, as an Event. */
interface Answer {
  readonly type: 'Normal' | 'Warning';
  readonly reason: 'GPUAcknowledged' | 'GPUAcknowledgementIgnored';
  readonly message: string;
}

const says = {
  works: "the node's annotations are followed",
  subject: 'what the annotations of the node say of GPUs',
};

/**
 * Takes an admin's annotations of the node for what `slicewise health ack` says there, each value once: what has counted is kept, so that
 * an annotation that stays excuses nothing that comes later. Ends with the signal and never fails.
 * @param gpus those of the node while this agent serves it; empty else
 */
export async function heedAnnotations(
  node: Pick<Node, 'health'>,
  gpus: Latest<readonly GpuHealth[]>,
  deps: HeedAnnotationsDeps,
  signal: AbortSignal,
): Promise<void> {
  const acks = new Latest<Followed<readonly AckAnnotation[]>>({ value: undefined, problem: null });
  const pick = {
    part: 'annotations',
    says,
    pick: ({ annotations }: { readonly annotations: Readonly<Record<string, string>> }) =>
      findAcks(annotations),
    fields: {},
  } as const;
  const wake = new Latest(0);
  const look = (): void => wake.set(wake.value + 1);
  const heeder = new AnnotationHeeder(node, deps);
  await runTogether(
    [
      async (until) => {
        await gpus.until(({ length }) => length > 0, until);
        await heeder.begin();
        await runTogether(
          [
            (stop) => followNode(acks, pick, deps, stop),
            (stop) => acks.each(look, stop),
            (stop) => gpus.each(look, stop),
            async (stop) => {
              for await (const _ of wake.values(stop))
                if (acks.value.value !== undefined && gpus.value.length > 0)
                  await heeder.heed(acks.value.value, gpus.value);
            },
          ],
          until,
        );
      },
    ],
    signal,
  );
}

class AnnotationHeeder {
  readonly #node: Pick<Node, 'health'>;
  readonly #deps: HeedAnnotationsDeps;
  readonly #warn: (trouble: string) => void;
  #kept: ReadonlyMap<string, string> = new Map();

  constructor(node: Pick<Node, 'health'>, deps: HeedAnnotationsDeps) {
    this.#node = node;
    this.#deps = deps;
    this.#warn = warnOnceEach(deps.log);
  }

  async begin(): Promise<void> {
    const { stateDir, nodeName, log } = this.#deps;
    try {
      this.#kept = await readKeptAcks(stateDir, nodeName);
    } catch (thrown) {
      log.warn(`which annotations have counted before is not known: ${describeError(thrown)}`);
    }
  }

  /** Hears what is new, and forgets what is gone. Never rejects. */
  async heed(acks: readonly AckAnnotation[], gpus: readonly GpuHealth[]): Promise<void> {
    const { stateDir, nodeName } = this.#deps;
    try {
      for (const ack of acks) if (this.#kept.get(ack.name) !== ack.value) await this.#hear(ack, gpus);
      const next = new Map(acks.map(({ name, value }) => [name, value]));
      if (!isDeepStrictEqual(next, this.#kept)) await keepAcks(stateDir, nodeName, next);
      this.#kept = next;
      this.#warn('');
    } catch (thrown) {
      this.#warn(`what an admin says of GPUs by annotation cannot be taken up: ${describeError(thrown)}`);
    }
  }

  async #hear(ack: AckAnnotation, gpus: readonly GpuHealth[]): Promise<void> {
    const { queue, log } = this.#deps;
    const answer = await this.#answer(ack, gpus);
    log[answer.type === 'Normal' ? 'info' : 'warn'](
      { annotation: ack.name, value: ack.value },
      answer.message,
    );
    queue?.put({ ...answer, about: { kind: 'node' }, topic: `annotation/${ack.name}` });
  }

  /**
   * The word is left where `slicewise health ack` leaves it: there it is heeded, and lasts until what comes of it is written down. A fault that
   * comes before makes it void, so that more than that it is passed on cannot be said here.
   */
  async #answer(ack: AckAnnotation, gpus: readonly GpuHealth[]): Promise<Answer> {
    const said = `annotation ${ack.name}=${JSON.stringify(ack.value.slice(0, 200))}`;
    const ignored = { type: 'Warning', reason: 'GPUAcknowledgementIgnored' } as const;
    const meant = findMeant(
      ack,
      gpus.map(({ uuid }) => uuid),
    );
    if ('problem' in meant) return { ...ignored, message: `${said} does not count: ${meant.problem}` };
    const { uuid } = meant;
    const name = nameGpu(gpus.find((gpu) => gpu.uuid === uuid) ?? { uuid, index: null });
    const verdict = this.#node.health.verdicts.value.gpus.get(uuid);
    if (verdict === undefined || !isCondemned(verdict))
      return { ...ignored, message: `${said} does not count: nothing is held against ${name} now` };
    const held = verdict.findings.filter(({ effect }) => effect === 'unhealthy');
    await askAcknowledgement(
      this.#deps.stateDir,
      uuid,
      held.map(({ key }) => key),
    );
    const what = held.map((finding) => finding.what).join('; ');
    return {
      type: 'Normal',
      reason: 'GPUAcknowledged',
      message: `${said} is passed on: ${name} is to be used again in spite of ${what}, unless more happens to it first`,
    };
  }
}
