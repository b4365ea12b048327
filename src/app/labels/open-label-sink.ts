import type { LabelSink } from '../../cluster/label-sink.ts';
import { LabelWriter } from '../../cluster/label-writer.ts';
import type { Log } from '../../lib/log.ts';
import { tellBootText } from '../../state/boot-id.ts';
import { openLabelFile } from './label-file.ts';
import type { LabelPlace } from './label-settings.ts';
import { nodeApiOpener } from '../node-api-opener.ts';

/** The place where the labels go. */
export async function openLabelSink(place: LabelPlace, log: Log): Promise<LabelSink> {
  if (place.kind === 'file') return openLabelFile(place);
  const { nodeName, kubeconfig, procfsRoot } = place;
  return new LabelWriter({
    nodeName,
    bootId: await tellBootText(procfsRoot),
    log,
    openApi: nodeApiOpener({ nodeName, kubeconfig }),
  });
}
