import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { bundleAgent } from '../support/agent-bundle.ts';

/** Bundles the program, so that what is tested is what is installed, and starts in a quarter of the time. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const remove = async (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    project.provide('agentBundle', await bundleAgent(folder));
    return remove;
  } catch (thrown) {
    await remove();
    throw thrown;
  }
}
