import type { ApiAnswer } from './node-api.ts';
import { openApi } from './open-api.ts';

/** A way to the API server that is opened when it is first used, and anew after each problem: another address or token may do next time. */
export class OpenedApi<T extends AsyncDisposable> implements AsyncDisposable {
  readonly #open: () => Promise<T>;
  #api: T | null = null;

  /** @param open what it throws is a problem like any other */
  constructor(open: () => Promise<T>) {
    this.#open = open;
  }

  /** Never rejects, unless `ask` does. */
  async use<Value>(ask: (api: T) => Promise<ApiAnswer<Value>>): Promise<ApiAnswer<Value>> {
    if (this.#api === null) {
      const opened = await openApi(this.#open);
      if (!opened.ok) return opened;
      this.#api = opened.value;
    }
    const answer = await ask(this.#api);
    if (!answer.ok) await this.close();
    return answer;
  }

  async close(): Promise<void> {
    const api = this.#api;
    this.#api = null;
    await api?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
