import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/kubelet/checkpoint.ts';
import { encodeContainerResponse } from '../../src/kubelet/wire.ts';
import { shortFolder } from '../support/short-folder.ts';
import { answerWith } from './test-handlers.ts';

const entry = {
  PodUID: 'uid-1',
  ContainerName: 'main',
  ResourceName: 'nvidia.com/gpu',
  DeviceIDs: { '0': ['GPU-a', 'GPU-b'] },
  AllocResp: '',
};

async function read(content: unknown): Promise<Awaited<ReturnType<typeof readCheckpoint>>> {
  const folder = await shortFolder();
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  await writeFile(join(folder, 'kubelet_internal_checkpoint'), text);
  return readCheckpoint(folder);
}

describe("the kubelet's checkpoint", () => {
  it('is read with all its entries, and fields that are not known are left alone', async () => {
    const content = {
      Data: {
        PodDeviceEntries: [entry, { ...entry, ContainerName: 'second', New: 1 }],
        RegisteredDevices: { 'nvidia.com/gpu': ['GPU-a'] },
      },
      Checksum: 12345678901234567000,
    };
    const expected = {
      podUid: 'uid-1',
      container: 'main',
      resource: 'nvidia.com/gpu',
      deviceIds: ['GPU-a', 'GPU-b'],
      record: null,
    };
    expect(await read(content)).toEqual([expected, { ...expected, container: 'second' }]);
  });

  it("has the record of our answers, and none of another plugin's or of one that cannot be decoded", async () => {
    const answer = { ...answerWith(['GPU-a']), annotations: { 'slicewise.io/allocation': '{"version":1}' } };
    const stored = [answer, answerWith(['GPU-a'])].map((each) =>
      Buffer.from(encodeContainerResponse(each)).toString('base64'),
    );
    const entries = [...stored, '//8=', ''].map((AllocResp) => ({ ...entry, AllocResp }));
    const content = { Data: { PodDeviceEntries: entries } };
    expect((await read(content)).map(({ record }) => record)).toEqual(['{"version":1}', null, null, null]);
  });

  it('joins the ids of all NUMA nodes', async () => {
    const ids = { '-1': ['GPU-c'], '0': ['GPU-a'], '1': ['GPU-b'] };
    const [found] = await read({ Data: { PodDeviceEntries: [{ ...entry, DeviceIDs: ids }] } });
    expect(found?.deviceIds.toSorted()).toEqual(['GPU-a', 'GPU-b', 'GPU-c']);
  });

  it.for<[string, unknown]>([
    ['no entries, as Go writes an empty list', { Data: { PodDeviceEntries: null } }],
    ['an empty list', { Data: { PodDeviceEntries: [] } }],
  ])('%s: nothing is booked', async ([, content]) => {
    expect(await read(content)).toEqual([]);
  });

  it('an entry without ids books none', async () => {
    for (const ids of [null, {}, { '0': null }]) {
      const [found] = await read({ Data: { PodDeviceEntries: [{ ...entry, DeviceIDs: ids }] } });
      expect(found?.deviceIds).toEqual([]);
    }
  });

  it('that is absent means no allocations, also where the folder is', async () => {
    expect(await readCheckpoint(await shortFolder())).toEqual([]);
    expect(await readCheckpoint('/nonexistent/device-plugins')).toEqual([]);
  });

  it.for<[string, unknown]>([
    ['is empty', ''],
    ['is cut off', '{"Data":{"PodDeviceEntries":[{"PodUID":"u'],
    ['is another thing', { Data: [] }],
    ['has no entries', { Data: {} }],
    ['has an entry of another shape', { Data: { PodDeviceEntries: [{ ...entry, PodUID: 1 }] } }],
    ['has ids of another shape', { Data: { PodDeviceEntries: [{ ...entry, DeviceIDs: { '0': 'GPU-a' } }] } }],
  ])('that %s is an error that names the file', async ([, content]) => {
    await expect(read(content)).rejects.toMatchObject({
      code: 'checkpoint-unreadable',
      message: expect.stringMatching(/kubelet_internal_checkpoint cannot be read/) as string,
    });
  });

  it('that is a folder is an error', async () => {
    const folder = await shortFolder();
    await mkdir(join(folder, 'kubelet_internal_checkpoint'));
    await expect(readCheckpoint(folder)).rejects.toMatchObject({ code: 'checkpoint-unreadable' });
  });
});
