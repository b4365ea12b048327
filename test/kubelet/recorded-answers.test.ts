import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mayBeGivenAgain } from '../../src/kubelet/recorded-answers.ts';
import { shortFolder } from '../support/short-folder.ts';

/** The kubelet's file with these answers, each as text inside of an encoded message. */
async function folderWith(...answers: readonly string[]): Promise<string> {
  const folder = await shortFolder();
  const entries = answers.map((answer) => ({
    PodUID: 'u',
    ContainerName: 'c',
    ResourceName: 'nvidia.com/gpu',
    DeviceIDs: { '-1': ['GPU-0'] },
    AllocResp: Buffer.from(`\x2a\x20${answer}`).toString('base64'),
  }));
  const text = JSON.stringify({ Data: { PodDeviceEntries: entries, RegisteredDevices: {} }, Checksum: 1 });
  await writeFile(join(folder, 'kubelet_internal_checkpoint'), text);
  return folder;
}

test.each([
  ['no answer', [], false],
  ['another answer', ['nvidia.com/gpu=GPU-0'], false],
  ['one of several', ['NVIDIA_VISIBLE_DEVICES', 'k8s.device-plugin.nvidia.com/gpu=GPU-0'], true],
  ['a longer class', ['k8s.device-plugin.nvidia.com/gpus=0'], false],
])('%s', async (_name, answers, expected) => {
  const folder = await folderWith(...answers);
  expect(await mayBeGivenAgain(folder, 'k8s.device-plugin.nvidia.com/gpu=')).toBe(expected);
});

test('no records are no answers; records that cannot be read may hold any', async () => {
  const folder = await shortFolder();
  expect(await mayBeGivenAgain(folder, 'x')).toBe(false);
  await writeFile(join(folder, 'kubelet_internal_checkpoint'), '{');
  expect(await mayBeGivenAgain(folder, 'x')).toBe(true);
});
