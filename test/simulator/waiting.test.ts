import { expect, it } from 'vitest';
import { setUpKubelet } from './node-setup.ts';

it('waits for nothing any more when it is gone', async () => {
  const kubelet = await setUpKubelet();
  const waiting = kubelet.waitForAllocatable('example.com/gpu', 1, 60_000);
  waiting.catch(() => undefined);
  await kubelet[Symbol.asyncDispose]();
  await expect(waiting).rejects.toThrow('The stand-in kubelet is gone: example.com/gpu allocatable 1');
  await expect(kubelet.waitForEvent('list', { deadlineMs: 60_000 })).rejects.toThrow('gone');
});
