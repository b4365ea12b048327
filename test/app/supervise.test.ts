import { describe, expect, it } from 'vitest';
import { runTogether, type Task } from '../../src/app/supervise.ts';
import { untilAborted } from '../../src/lib/abort.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** A task that runs until it is told to stop, and takes a while to do so. */
function longTask(ended: string[], name: string): Task {
  return async (signal) => {
    await untilAborted(signal);
    await Promise.resolve();
    ended.push(name);
  };
}

describe('tasks that run together', () => {
  it('all end, and are waited for, when one ends', async () => {
    const ended: string[] = [];
    await runTogether(
      [longTask(ended, 'a'), async () => void ended.push('first'), longTask(ended, 'b')],
      new AbortController().signal,
    );
    expect(ended).toEqual(['first', 'a', 'b']);
  });

  it('all end when one fails, and its error is thrown after the others have', async () => {
    const ended: string[] = [];
    const fail: Task = async () => {
      throw new Error('the first one failed');
    };
    await expect(
      runTogether([longTask(ended, 'a'), fail, longTask(ended, 'b')], new AbortController().signal),
    ).rejects.toThrow('the first one failed');
    expect(ended).toEqual(['a', 'b']);
  });

  it('all end with the signal, whatever its reason is, and aborted waits are no failures', async () => {
    const ended: string[] = [];
    const clock = new ManualClock();
    const stop = new AbortController();
    const running = runTogether([longTask(ended, 'a'), (signal) => clock.sleep(1000, signal)], stop.signal);
    stop.abort('SIGTERM');
    await running;
    expect(ended).toEqual(['a']);
    expect(clock.sleeping).toBe(0);
  });

  it('throw the failure that ended them, not what the stop broke in others', async () => {
    const clock = new ManualClock();
    const fail: Task = async () => {
      throw new Error('the real one');
    };
    await expect(
      runTogether([(signal) => clock.sleep(1000, signal), fail], new AbortController().signal),
    ).rejects.toThrow('the real one');
  });

  it('end at once when the signal has aborted before', async () => {
    const ended: string[] = [];
    await runTogether([longTask(ended, 'a')], AbortSignal.abort());
    expect(ended).toEqual(['a']);
  });

  it('are none: ended', async () => {
    await expect(runTogether([], new AbortController().signal)).resolves.toBeUndefined();
  });
});
