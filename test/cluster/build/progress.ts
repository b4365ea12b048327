/** Tells a person how a long task goes: one line on a terminal that changes, else a line at its start and end. */
export interface Progress {
  say(text: string): void;
  /** Shows that the task goes on; the detail is what it does just now. */
  detail(text: string): void;
  /** Runs a task under a title. */
  during<T>(title: string, task: () => Promise<T>): Promise<T>;
}

/** Shows progress on standard error. */
export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  let latest = '';
  const say = (text: string): void => void stream.write(`${text}\n`);
  return {
    say,
    detail(text) {
      latest = text;
    },
    async during(title, task) {
      const startedMs = performance.now();
      const seconds = (): string => `${((performance.now() - startedMs) / 1000).toFixed(0)} s`;
      latest = '';
      if (!stream.isTTY) say(`building ${title}`);
      const draw = (): void => {
        const line = `building ${title} … ${seconds()} ${latest}`;
        stream.write(`\r\x1b[K${line.slice(0, stream.columns - 1)}`);
      };
      const timer = stream.isTTY ? setInterval(draw, 500) : undefined;
      try {
        const result = await task();
        if (stream.isTTY) stream.write('\r\x1b[K');
        say(`built ${title} in ${seconds()}`);
        return result;
      } finally {
        clearInterval(timer);
      }
    },
  };
}
