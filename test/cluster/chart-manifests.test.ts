import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { renderManifests } from '../../scripts/manifests.ts';
import { openClusterNode } from './support/cluster-node.ts';
import { dryRun } from './support/dry-run.ts';
import { helmOrThrow } from './support/helm.ts';
import { ownNamespace } from './support/own-namespace.ts';
import { onCluster } from './support/on-cluster.ts';

const deploy = join(import.meta.dirname, '../../deploy');

/** What is written by hand; the right to taint stands beside those of health/access.yaml, without their account. */
const byHand = ['README.md', 'compose', 'examples', 'taint.yaml'];

onCluster('the manifests in deploy/', () => {
  test('are what the chart renders: else run node scripts/manifests.ts, with HELM for where helm is', async () => {
    const rendered = await renderManifests(helmOrThrow);
    const files = (await readdir(deploy, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => relative(deploy, join(entry.parentPath, entry.name)))
      .filter((path) => !path.split('/').some((part) => byHand.includes(part)));
    expect(files.toSorted()).toEqual([...rendered.keys()].toSorted());
    for (const [path, text] of rendered)
      expect({ path, text: await readFile(join(deploy, path), 'utf8') }).toEqual({ path, text });
  });

  test('are taken by a real API server as they stand', async () => {
    await using node = await openClusterNode({ gpus: 1 });
    // What is not kept cannot be a namespace for the rest.
    await using _ = await ownNamespace(node.api, 'slicewise');
    for (const [path, text] of await renderManifests(helmOrThrow)) {
      const objects = text.match(/^kind: (?!Namespace$)/gm)?.length;
      const withoutNamespace = text.replace(/^apiVersion: v1\nkind: Namespace\n[^]*?^---$/m, '');
      expect({ path, said: dryRun(node, withoutNamespace).length }).toEqual({ path, said: objects });
    }
  });
});
