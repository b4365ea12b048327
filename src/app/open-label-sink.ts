import type { LabelSink } from '../cluster/label-sink.ts';
import { LabelWriter } from '../cluster/label-writer.ts';
import type { Log } from '../lib/log.ts';
import { readBootText } from '../state/boot-id.ts';
import { openLabelFile } from './label-file.ts';
import type { LabelPlace } from './label-settings.ts';

const requestTimeoutMs = 5000;

/** The place where the labels go. The client of the API server is loaded at the first write. */
export async function openLabelSink(place: LabelPlace, log: Log): Promise<LabelSink> {
  if (place.kind === 'file') return openLabelFile(place);
  const { nodeName, kubeconfig, procfsRoot } = place;
  return new LabelWriter({
    nodeName,
    bootId: (await readBootText(procfsRoot).catch(() => '')) || null,
    log,
    openApi: async () => {
      const { openNodeApi } = await import('../cluster/kubernetes-node-api.ts');
      return openNodeApi({ nodeName, kubeconfig, timeoutMs: requestTimeoutMs });
    },
  });
}
