import type { Driver, DriverEvent } from './driver.ts';

/**
 * A driver whose code is loaded while the caller goes on: opening starts at once, and the first call waits for it. So nobody
 * pays for the code of a driver that is not used.
 */
export function openLazily(open: () => Promise<Driver>): Driver {
  const opening = open();
  // The first call tells the error; until then nobody listens.
  opening.catch(() => undefined);
  return {
    async snapshot() {
      return await (await opening).snapshot();
    },
    async signs() {
      return await (await opening).signs();
    },
    async *events(signal): AsyncGenerator<DriverEvent, void, void> {
      yield* (await opening).events(signal);
    },
    async [Symbol.asyncDispose]() {
      const driver = await opening.catch(() => null);
      await driver?.[Symbol.asyncDispose]();
    },
  };
}
