import type { Told } from './event-queue.ts';
import { type GpuHealth, type GpuNote, nameGpu, tellFault } from './gpu-health.ts';
import type { EventSubject } from './node-api.ts';

/** Something that is told of one GPU. */
export interface GpuNews {
  readonly gpu: Pick<GpuHealth, 'uuid' | 'index'>;
  readonly kind: 'unhealthy' | 'healthy' | GpuNote['kind'];
  /** Names it among others of the GPU; the same for what ends with the other. */
  readonly key: string;
  /** What happened and what to do, in sentences without the GPU; empty for `healthy`. */
  readonly words: string;
}

/** A container that has a GPU, or a part of it. */
export interface GpuHolder {
  readonly gpu: string;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly podUid: string;
}

/** What programs bring about can happen a hundred times a second. */
export const noteEveryMs = 300_000;
/** Of a GPU that hundreds of pods share. */
const maxPodsOfGpu = 16;

const reasons = {
  unhealthy: { type: 'Warning', reason: 'GPUUnhealthy' },
  healthy: { type: 'Normal', reason: 'GPUHealthy' },
  'application-error': { type: 'Warning', reason: 'GPUApplicationError' },
  xid: { type: 'Warning', reason: 'GPUXID' },
  degraded: { type: 'Warning', reason: 'GPUDegraded' },
} as const satisfies Readonly<Record<GpuNews['kind'], Pick<Told, 'type' | 'reason'>>>;

/**
 * What is to be told after a change.
 * @param before `null`: nothing was told yet; then it is told what is unhealthy and degraded, and nothing that happened before
 */
export function healthNews(
  before: readonly GpuHealth[] | null,
  after: readonly GpuHealth[],
): readonly GpuNews[] {
  const known = new Map((before ?? []).map((gpu) => [gpu.uuid, gpu]));
  return after.flatMap((gpu) => {
    const was = known.get(gpu.uuid);
    return [...stateNews(was, gpu), ...noteNews(before === null, was, gpu)];
  });
}

/** The Event of the node. */
export function nodeEvent({ gpu, kind, key, words }: GpuNews): Told {
  const name = nameGpu(gpu);
  const message = {
    unhealthy: `${name} is unhealthy: ${words}`,
    healthy: `${name} is healthy again`,
    'application-error': `${name}: ${words} The GPU stays in use.`,
    xid: `${name}: ${words} The GPU stays in use.`,
    degraded: `${name} stays in use, and has to be looked after: ${words}`,
  }[kind];
  return { ...reasons[kind], ...topicOf(`gpu/${gpu.uuid}`, kind, key), about: { kind: 'node' }, message };
}

/** The Events of the pods that have the GPU. */
export function podEvents(news: GpuNews, holders: readonly GpuHolder[]): readonly Told[] {
  const { gpu, kind, key } = news;
  if (kind === 'degraded' || kind === 'xid') return [];
  const own = holders.filter((holder) => holder.gpu === gpu.uuid);
  const byPod = [...Map.groupBy(own, ({ podUid }) => podUid).values()].slice(0, maxPodsOfGpu);
  return byPod.flatMap((containers) => {
    const [first] = containers;
    if (first === undefined) return [];
    const { namespace, pod, podUid } = first;
    const about: EventSubject = { kind: 'pod', namespace, name: pod, uid: podUid };
    const message = podMessage(
      news,
      containers.map(({ container }) => container),
      byPod.length > 1,
    );
    return [{ ...reasons[kind], ...topicOf(`pod/${podUid}/${gpu.uuid}`, kind, key), about, message }];
  });
}

function stateNews(was: GpuHealth | undefined, gpu: GpuHealth): readonly GpuNews[] {
  const words = tellFault(gpu);
  if (words === (was === undefined ? '' : tellFault(was))) return [];
  return [{ gpu, kind: words === '' ? 'healthy' : 'unhealthy', key: 'state', words }];
}

function noteNews(isFirst: boolean, was: GpuHealth | undefined, gpu: GpuHealth): readonly GpuNews[] {
  const counts = new Map(was?.notes.map(({ key, count }) => [key, count]));
  return gpu.notes
    .filter(({ key, kind, count }) =>
      kind === 'degraded' ? !counts.has(key) : !isFirst && count > (counts.get(key) ?? 0),
    )
    .map(({ key, kind, what, remedy }) => ({ gpu, kind, key, words: `${what}. ${remedy}` }));
}

function topicOf(whose: string, kind: GpuNews['kind'], key: string): Pick<Told, 'topic' | 'everyMs'> {
  if (kind === 'unhealthy' || kind === 'healthy') return { topic: whose };
  return { topic: `${whose}/${key}`, everyMs: noteEveryMs };
}

function podMessage({ gpu, kind, words }: GpuNews, containers: readonly string[], isShared: boolean): string {
  const has = `${nameGpu(gpu)}, which ${containers.length > 1 ? 'containers' : 'container'} ${containers.join(', ')} ${containers.length > 1 ? 'have' : 'has'},`;
  if (kind === 'healthy') return `${has} is healthy again`;
  if (kind === 'unhealthy')
    return `${has} is unhealthy: ${words} The pod is left running; no new one gets this GPU.`;
  const whose = isShared ? ' Other pods share the GPU, and it may be the program of one of them.' : '';
  return `On ${has} this happened: ${words}${whose} The GPU stays in use.`;
}
