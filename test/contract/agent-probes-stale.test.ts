import { describe, expect, test } from 'vitest';
import { startRunningAgent } from './support/running-agent.ts';
import { args, files, good } from './support/v100-node.ts';

// An inventory is stale after 30 s: these wait for it, side by side.
describe.concurrent('/readyz on an inventory that has become old', () => {
  test.for([
    {
      what: 'fails',
      event: { do: 'fail-driver', reason: 'Broken' },
      why: 'The simulated driver of node fails: Broken',
    },
    { what: 'hangs', event: { do: 'hang-driver' }, why: 'the driver does not answer' },
  ])(
    'the driver $what: not ready with the age and the reason, and the GPUs are offered on',
    async ({ event, why }) => {
      await using node = await startRunningAgent({ args, files });
      await node.waitForGpus(4);
      await node.write('node.yaml', { ...good, timeline: [{ at: '0s', ...event }] });
      const { body } = await node.waitForReadyz(503, ['inventory: last read ']);
      expect(body).toMatch(/^inventory: last read \d+ s ago: /);
      expect(body).toContain(why);
      expect((await node.admit('pod', 4)).phase).toBe('Running');
      await node.write('node.yaml', good);
      await node.waitForReadyz(200);
      expect(await node.stop()).toBe(0);
    },
  );
});
