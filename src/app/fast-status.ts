import { isDeepStrictEqual } from 'node:util';
import type { Counts } from '../cluster/allocatable.ts';
import { keepAllocatable } from '../cluster/keep-allocatable.ts';
import { listHealthyDevices } from '../kubelet/pod-resources.ts';
import type { Clock } from '../lib/clock.ts';
import { Latest } from '../lib/latest.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../metrics/collect.ts';
import { tellBootText } from '../state/boot-id.ts';
import type { Node } from './node.ts';
import { nodeApiOpener } from './node-api-opener.ts';
import type { FastStatusSettings } from './settings.ts';
import { runTogether } from './supervise.ts';

export interface FastStatusDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'nodeStatusWrite'>;
}

/** Writes the node's allocatable ahead of the kubelet while this agent serves the node. Ends with the signal and never fails. */
export async function keepFastStatus(
  node: Node,
  { nodeName, kubeconfig, podResourcesSocket, procfsRoot }: FastStatusSettings,
  { clock, log, metrics }: FastStatusDeps,
  signal: AbortSignal,
): Promise<void> {
  const counts = new Latest<Counts>(new Map());
  const bootId = await tellBootText(procfsRoot);
  await runTogether(
    [
      (until) => followLists(node, counts, until),
      (until) =>
        keepAllocatable(
          counts,
          {
            nodeName,
            openApi: nodeApiOpener({ nodeName, kubeconfig }),
            askKubelet: async (stop) => countDevices(await listHealthyDevices(podResourcesSocket, stop)),
            bootId,
            clock,
            log,
            observe: (result) => metrics.nodeStatusWrite(result),
          },
          until,
        ),
    ],
    signal,
  );
}

/** Counts the healthy devices of each list that the kubelet reads; none while another agent serves. */
async function followLists(node: Node, counts: Latest<Counts>, signal: AbortSignal): Promise<void> {
  const count = (): void => {
    const heard = node.offers.value.filter(({ resource }) => node.serving.isConnected(resource));
    const next = new Map(
      node.holdsLock.value
        ? heard.map(({ resource, list }) => [
            resource,
            list.value.filter(({ health }) => health === 'Healthy').length,
          ])
        : [],
    );
    if (!isDeepStrictEqual(next, counts.value)) counts.set(next);
  };
  await runTogether(
    [
      (until) => node.holdsLock.each(count, until),
      (until) => node.serving.changes.each(count, until),
      async (until) => {
        const followed = new Map<string, Promise<void>>();
        await node.offers.each((offers) => {
          for (const { resource, list } of offers)
            if (!followed.has(resource)) followed.set(resource, list.each(count, until));
        }, until);
        await Promise.all(followed.values());
      },
    ],
    signal,
  );
}

function countDevices(
  devices: readonly { readonly resourceName: string; readonly deviceIds: readonly string[] }[] | null,
): Counts | null {
  if (devices === null) return null;
  const counts = new Map<string, number>();
  for (const { resourceName, deviceIds } of devices)
    counts.set(resourceName, (counts.get(resourceName) ?? 0) + deviceIds.length);
  return counts;
}
