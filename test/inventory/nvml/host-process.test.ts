import { expect, test } from 'vitest';
import { startHostProcess } from '../../../src/inventory/nvml/host-process.ts';
import { Supervisor } from '../../../src/inventory/nvml/supervisor.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLog } from '../../../src/lib/log.ts';
import { holdAllFiles } from '../../support/hold-all-files.ts';

const command = { executable: process.execPath, script: '/nowhere.ts', options: [], args: [] };
const deadlines = { initMs: 20_000, firstTouchMs: 20_000, callMs: 20_000 };

test.each([
  ['the program is not there', { ...command, executable: '/nowhere/node' }, /ENOENT/],
  ['spawn itself throws', { ...command, args: ['a\0b'] }, /null bytes/],
])('a helper that cannot be started has ended: %s', async (_what, broken, message) => {
  const host = startHostProcess(broken);
  void host.ask({ id: 1, ask: 'open', callMs: 1 }, () => {});
  const end = await host.ended;
  expect(end).toMatchObject({ exitCode: null, signal: null });
  expect(end.startError?.message).toMatch(message);
  host.kill();
  host.release();
});

test('without a free file descriptor a reading fails in words, and nothing else does', async () => {
  const lost: string[] = [];
  await using supervisor = new Supervisor({
    log: silentLog(),
    clock: systemClock,
    deadlines,
    startHost() {
      using held = holdAllFiles();
      expect(held.count).toBeGreaterThan(0);
      return startHostProcess(command);
    },
    isAbsent: () => false,
    onNews: () => undefined,
    onLost: (reason) => void lost.push(reason),
  });
  await expect(supervisor.snapshot()).rejects.toMatchObject({
    code: 'driver-failed',
    message: expect.stringMatching(/could not be started: .*E(MFILE|NFILE)/),
  });
  expect(lost).toHaveLength(1);
});
