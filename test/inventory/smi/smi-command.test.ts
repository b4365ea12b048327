import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SmiCommand } from '../../../src/inventory/smi/smi-command.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLog } from '../../../src/lib/log.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { writeProgram } from '../../support/smi-replay.ts';

test('after one that cannot be killed, one new one is started every five minutes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'smi-'));
  const clock = new ManualClock();
  let immortal = true;
  const program = await writeProgram(folder, `echo x >>'${folder}/starts'; exec sleep 60`);
  const command = new SmiCommand([{ program, env: undefined }], {
    log: silentLog(),
    clock,
    isGroupAlive: () => immortal,
  });
  const starts = async (): Promise<number> =>
    (await readFile(join(folder, 'starts'), 'utf8').catch(() => '')).length / 2;
  const run = async (): Promise<string> => await command.run(['-q']).then(() => 'good', String);
  const runUntilKilled = async (count: number): Promise<string> => {
    const answer = run();
    while ((await starts()) < count) await systemClock.sleep(5);
    await clock.advance(30_000);
    return await answer;
  };
  try {
    expect(await runUntilKilled(1)).toMatch(/did not end within 30 s/);
    const early = run();
    await clock.advance(2_000);
    expect(await early).toMatch(/was killed and does not die: .* 5 minutes/);
    await clock.advance(4 * 60_000);
    expect(await run()).toMatch(/does not die/);
    expect(await starts()).toBe(1);
    await clock.advance(58_000);
    expect(await runUntilKilled(2)).toMatch(/did not end within 30 s/);
    await clock.advance(2_000);
    expect(await run()).toMatch(/does not die/);
    immortal = false;
    expect(await runUntilKilled(3)).toMatch(/did not end within 30 s/);
  } finally {
    command.close();
    await rm(folder, { recursive: true, force: true });
  }
});
