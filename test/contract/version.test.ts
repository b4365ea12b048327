import { expect, test } from 'vitest';
import { bundledCommit } from '../support/agent-bundle.ts';
import { startRunningAgent } from './support/running-agent.ts';
import { runToEnd } from './support/program.ts';

test('the program as it is installed says which commit it is, and so does the log of the agent', async () => {
  const { code, stdout } = await runToEnd(['version', '--output', 'json']);
  expect(code).toBe(0);
  const said = JSON.parse(stdout) as Readonly<Record<string, unknown>>;
  expect(said).toMatchObject({ commit: bundledCommit, node: process.versions.node });
  await using node = await startRunningAgent({ kubelet: 'later' });
  expect(await node.waitForLog('slicewise agent starts')).toMatchObject(said);
});
