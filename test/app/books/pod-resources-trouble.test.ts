import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { watchForPodResources } from '../../../src/app/books/pod-resources-trouble.ts';
import { ManualClock } from '../../support/manual-clock.ts';

it('a pod resources socket is missed after a while, and no longer once it is there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  try {
    const socket = join(folder, 'kubelet.sock');
    const clock = new ManualClock();
    const why = watchForPodResources(socket, clock);
    expect(why()).toBeNull();
    await clock.advance(9_999);
    expect(why()).toBeNull();
    await clock.advance(1);
    expect(why()).toContain(`no pod resources socket of the kubelet at ${socket}`);
    await writeFile(socket, '');
    expect(why()).toBeNull();
    await rm(socket);
    expect(why()).toBeNull();
  } finally {
    await rm(folder, { recursive: true });
  }
});
