import { join } from 'node:path';
import * as fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import type { ContainerResponse } from '../../src/allocation/response.ts';
import {
  decodeContainerResponse,
  devicePluginService,
  encodeContainerResponse,
  podResourcesService,
  registrationService,
} from '../../src/kubelet/wire.ts';
import { mustSkip } from '../support/nvml-header.ts';
import { describeContract, kubeletModuleFolder } from './kubelet-contract.ts';

const folder = await kubeletModuleFolder();
const skip = mustSkip(folder, "the comparison of proto/ with the kubelet's own contracts");
const official = (path: string): protobuf.Root =>
  loadProto(join('path' in folder ? folder.path : '', 'pkg/apis', path, 'api.proto'));
const own = (name: string): protobuf.Root =>
  loadProto(join(import.meta.dirname, '../../proto', `${name}.proto`));

describe.skipIf(skip)("proto/ and the kubelet's own contracts", () => {
  it('are the same for the device plugin API: names, numbers, types, methods', () => {
    const ours = describeContract(own('deviceplugin'));
    expect(Object.fromEntries(ours)).toEqual(
      Object.fromEntries(describeContract(official('deviceplugin/v1beta1'))),
    );
    expect(ours.get('v1beta1.ContainerAllocateResponse.envs')).toBe('map<string, string> = 1');
    expect(ours.get('v1beta1.DevicePlugin.ListAndWatch')).toBe(
      '(Empty) returns (stream ListAndWatchResponse)',
    );
  });

  it('are the same for the pod resources API, as far as ours goes', () => {
    const theirs = describeContract(official('podresources/v1'));
    const ours = describeContract(own('podresources'));
    expect(ours.size).toBeGreaterThan(8);
    for (const [name, text] of ours) expect([name, theirs.get(name)]).toEqual([name, text]);
  });

  it('agree on bytes: what the kubelet writes is what we read', () => {
    const root = official('deviceplugin/v1beta1');
    const bytes = (type: string, message: object): Buffer =>
      Buffer.from(root.lookupType(type).encode(message).finish());
    expect(
      devicePluginService.GetPreferredAllocation.requestDeserialize(
        bytes('PreferredAllocationRequest', {
          container_requests: [
            { available_deviceIDs: ['a', 'b'], must_include_deviceIDs: ['a'], allocation_size: 2 },
          ],
        }),
      ),
    ).toEqual([{ availableIds: ['a', 'b'], requiredIds: ['a'], size: 2 }]);
    expect(
      devicePluginService.Allocate.requestDeserialize(
        bytes('AllocateRequest', { container_requests: [{ devices_ids: ['b', 'a'] }] }),
      ),
    ).toEqual([['b', 'a']]);
    expect(
      devicePluginService.PreStartContainer.requestDeserialize(
        bytes('PreStartContainerRequest', { devices_ids: ['a'] }),
      ),
    ).toEqual(['a']);
    expect(
      root
        .lookupType('ListAndWatchResponse')
        .decode(
          devicePluginService.ListAndWatch.responseSerialize([
            { id: 'a', health: 'Healthy', numaNode: 0 },
            { id: 'b', health: 'Unhealthy', numaNode: null },
          ]),
        )
        .toJSON(),
    ).toEqual({
      devices: [
        { ID: 'a', health: 'Healthy', topology: { nodes: [{ ID: '0' }] } },
        { ID: 'b', health: 'Unhealthy' },
      ],
    });
  });

  it('agree on bytes for pod resources, unknown fields included', () => {
    const root = official('podresources/v1');
    const answer = root
      .lookupType('ListPodResourcesResponse')
      .encode({
        pod_resources: [
          {
            name: 'p',
            namespace: 'team',
            containers: [
              { name: 'plain', cpu_ids: [1, 2] },
              {
                name: 'c',
                devices: [
                  { resource_name: 'x/y', device_ids: ['a', 'b'], topology: { nodes: [{ ID: 1 }] } },
                  { resource_name: 'x/z', device_ids: ['c'] },
                ],
              },
            ],
          },
        ],
      })
      .finish();
    const shared = { namespace: 'team', pod: 'p', container: 'c' };
    expect(podResourcesService.List.responseDeserialize(Buffer.from(answer))).toEqual([
      { ...shared, resourceName: 'x/y', deviceIds: ['a', 'b'] },
      { ...shared, resourceName: 'x/z', deviceIds: ['c'] },
    ]);
  });
});

const text = fc.string({ unit: 'binary', maxLength: 12 });
const ids = fc.array(text, { maxLength: 5 });
const options = fc.record({ preStartRequired: fc.boolean(), preferredAllocationAvailable: fc.boolean() });
const record = fc.dictionary(fc.stringMatching(/^[A-Za-z./-]{1,12}$/), text, { maxKeys: 4 });
const response: fc.Arbitrary<ContainerResponse> = fc.record({
  envs: record,
  mounts: fc.array(fc.record({ hostPath: text, containerPath: text, readOnly: fc.boolean() }), {
    maxLength: 3,
  }),
  devices: fc.array(fc.record({ hostPath: text, containerPath: text, permissions: text }), { maxLength: 3 }),
  annotations: record,
  cdiDevices: ids,
});
const device = fc.record({
  id: text,
  health: fc.constantFrom('Healthy', 'Unhealthy'),
  numaNode: fc.option(fc.integer({ min: 0, max: 63 })),
});

describe('what is written is read back', () => {
  const request = fc.record({ version: text, endpoint: text, resourceName: text, options });
  const preference = fc.record({
    availableIds: ids,
    requiredIds: ids,
    size: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  });
  const held = fc.record({ namespace: text, pod: text, container: text, resourceName: text, deviceIds: ids });
  const { GetDevicePluginOptions, ListAndWatch, GetPreferredAllocation, Allocate, PreStartContainer } =
    devicePluginService;

  it.each<[string, fc.Arbitrary<unknown>, (value: never) => unknown]>([
    ['Register', request, requestTrip(registrationService.Register)],
    ['options', options, responseTrip(GetDevicePluginOptions)],
    ['a list', fc.array(device), responseTrip(ListAndWatch)],
    ['a preference request', fc.array(preference), requestTrip(GetPreferredAllocation)],
    ['a preference', fc.array(ids), responseTrip(GetPreferredAllocation)],
    ['Allocate', fc.array(ids), requestTrip(Allocate)],
    ['an Allocate answer', fc.array(response), responseTrip(Allocate)],
    ['PreStartContainer', ids, requestTrip(PreStartContainer)],
    ['pod resources', fc.array(held), responseTrip(podResourcesService.List)],
    [
      'allocatable devices',
      fc.array(fc.record({ resourceName: text, deviceIds: ids })),
      responseTrip(podResourcesService.GetAllocatableResources),
    ],
  ])('%s', (_, values, trip) => {
    fc.assert(
      fc.property(values, (value) => {
        expect(trip(value as never)).toEqual(value);
      }),
    );
  });

  it('a stored Allocate answer, as the one in a whole answer', () => {
    fc.assert(
      fc.property(response, (value) => {
        const stored = encodeContainerResponse(value);
        expect(decodeContainerResponse(stored)).toEqual(value);
        const whole = Allocate.responseSerialize([value]);
        expect(whole.subarray(whole.length - stored.length)).toEqual(Buffer.from(stored));
      }),
    );
  });

  it('an empty message, as something that is not undefined', () => {
    const { GetDevicePluginOptions: method } = devicePluginService;
    expect(method.requestDeserialize(method.requestSerialize(undefined))).toBeDefined();
  });

  it('a health word that is not Healthy, as Unhealthy', () => {
    const bytes = own('deviceplugin')
      .lookupType('ListAndWatchResponse')
      .encode({ devices: [{ ID: 'a', health: 'x' }] });
    expect(ListAndWatch.responseDeserialize(Buffer.from(bytes.finish()))).toEqual([
      { id: 'a', health: 'Unhealthy', numaNode: null },
    ]);
  });
});

function loadProto(path: string): protobuf.Root {
  const root = new protobuf.Root().loadSync(path, { keepCase: true });
  root.resolveAll();
  return root;
}

interface RequestWire<Request> {
  requestSerialize(value: Request): Buffer;
  requestDeserialize(bytes: Buffer): Request;
}

interface ResponseWire<Response> {
  responseSerialize(value: Response): Buffer;
  responseDeserialize(bytes: Buffer): Response;
}

function requestTrip<Request>(method: RequestWire<Request>): (value: Request) => Request {
  return (value) => method.requestDeserialize(method.requestSerialize(value));
}

function responseTrip<Response>(method: ResponseWire<Response>): (value: Response) => Response {
  return (value) => method.responseDeserialize(method.responseSerialize(value));
}
