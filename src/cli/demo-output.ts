import { styleText } from 'node:util';
import type { StoryEvent } from '../simulator/story/story.ts';
import type { OutputStream } from './terminal.ts';
import { textTable } from './text-table.ts';

/** Shows the demo while it goes on. */
export interface StoryPrinter {
  opening(scenario: string): void;
  event(event: StoryEvent): void;
  summary(counts: StoryCounts): void;
}

export interface StoryCounts {
  readonly passed: number;
  readonly failed: number;
}

type Style = Parameters<typeof styleText>[0];

/** One JSON object a line: each step as it ends, then the summary. */
export function jsonPrinter(stdout: OutputStream): StoryPrinter {
  const print = (value: object): void => void stdout.write(`${JSON.stringify(value)}\n`);
  return {
    opening: () => undefined,
    event(event) {
      if (event.kind !== 'ended') return;
      const { number, title, promise, kept, facts, milliseconds, node } = event;
      print({ step: number, title, promise, ok: kept, facts, milliseconds, gpus: node });
    },
    summary: (counts) => print({ summary: counts }),
  };
}

/**
 * Plain text, a few lines a step. On a terminal: colours, the running step shown at once and then overwritten, and with
 * `watch` a table below the story that is drawn anew after each step.
 */
export function textPrinter(stdout: OutputStream, watch: boolean): StoryPrinter {
  const live = stdout.isTTY === true;
  const paint = (style: Style, text: string): string => styleText(style, text, { stream: stdout });
  let volatile = 0;
  const write = (text: string): void => void stdout.write(text);
  const erase = (): void => {
    if (live && volatile > 0) write(`\u001b[${volatile}A\u001b[0J`);
    volatile = 0;
  };
  const writeVolatile = (text: string): void => {
    write(text);
    volatile += text.split('\n').length - 1;
  };
  let table = '';

  return {
    opening(scenario) {
      write(`Slicewise on a simulated node (${scenario}), with a stand-in kubelet. No GPU is needed.\n\n`);
    },
    event(event) {
      if (event.kind === 'begun') {
        if (!live) return;
        erase();
        writeVolatile(`${paint('cyan', '…')} ${event.number}/${event.of}  ${event.title}\n`);
        if (event.waits !== null) writeVolatile(`     ${paint('dim', `this takes ${event.waits}`)}\n`);
        if (watch && table !== '') writeVolatile(`\n${table}`);
        return;
      }
      erase();
      const mark = event.kept ? paint('green', '✓') : paint('red', '✗');
      write(`${mark} ${event.number}. ${event.title} ${paint('dim', `(${event.milliseconds} ms)`)}\n`);
      if (!event.kept) write(`     ${paint('red', `broken: ${event.promise}`)}\n`);
      else write(`     ${paint('dim', event.promise)}\n`);
      for (const fact of event.facts) write(`     ${fact}\n`);
      if (!watch) return;
      const rows = event.node.map(({ index, id, health, heldBy }) => [
        `  ${index}`,
        id,
        health,
        heldBy || 'free',
      ]);
      table = `${textTable([['  GPU', 'id', 'health', 'held by'], ...rows])}\n`;
      if (live) writeVolatile(`\n${table}`);
      else write(`\n${table}`);
    },
    summary({ passed, failed }) {
      if (watch && live && table !== '') volatile = 0;
      const text = failed === 0 ? `${passed} promises kept.` : `${passed} promises kept, ${failed} broken.`;
      write(`\n${paint(failed === 0 ? ['green', 'bold'] : ['red', 'bold'], text)}\n`);
    },
  };
}
