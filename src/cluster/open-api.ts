import { describeError } from '../lib/errors.ts';
import type { ApiAnswer } from './node-api.ts';

/** Opens a way to the API server; that there is none is a problem like any other. Never rejects. */
export async function openApi<T>(open: () => Promise<T>): Promise<ApiAnswer<T>> {
  try {
    return { ok: true, value: await open() };
  } catch (thrown) {
    return { ok: false, problem: { kind: 'no-access', message: describeError(thrown), retryAfterMs: 0 } };
  }
}
