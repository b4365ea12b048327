import type { ApiAnswer, NodeIdentity } from './node-api.ts';
import type { MarkResult } from './node-mark.ts';
import type { OpenedApi } from './opened-api.ts';
import { findOtherMachine } from './other-machine.ts';

export interface MarkDeps<Api> {
  readonly nodeName: string;
  /** Opens the way to the node; what it throws is told. */
  readonly openApi: () => Promise<Api>;
  /** The boot id of this machine; `null` when it cannot be read. */
  readonly bootId: string | null;
}

/** How something that a node shows is read and written. */
interface Shown<Api, Seen, Change> {
  read(api: Api): Promise<ApiAnswer<Seen>>;
  /** What has to be written; `null` where the node shows what it should. */
  decide(seen: Seen): { readonly write: Change } | null;
  write(api: Api, change: Change, seen: Seen): Promise<ApiAnswer<unknown>>;
}

/** Changes what a node shows, if it does not show it already and is this machine. */
export async function changeShown<
  Api extends AsyncDisposable,
  Seen extends Pick<NodeIdentity, 'bootId'>,
  Change,
>(
  api: OpenedApi<Api>,
  { nodeName, bootId }: MarkDeps<Api>,
  shown: Shown<Api, Seen, Change>,
): Promise<MarkResult> {
  const answer = await api.use(async (opened): Promise<ApiAnswer<boolean>> => {
    const read = await shown.read(opened);
    if (!read.ok) return read;
    const problem = findOtherMachine(`node ${nodeName}`, read.value, bootId);
    if (problem !== null) return { ok: false, problem };
    const change = shown.decide(read.value);
    if (change === null) return { ok: true, value: false };
    const written = await shown.write(opened, change.write, read.value);
    return written.ok ? { ok: true, value: true } : written;
  });
  return answer.ok ? { ok: true, changed: answer.value } : answer;
}
