import type { CdiSpec, ContainerEdits } from '../../src/allocation/cdi/cdi-spec.ts';

const edits: ContainerEdits = {
  env: ['A=b'],
  deviceNodes: [{ path: '/dev/x', hostPath: '/host/dev/x', permissions: 'rw' }],
  hooks: [{ hookName: 'createContainer', path: '/bin/hook', args: ['hook'], env: ['A=b'] }],
  mounts: [{ hostPath: '/host/x', containerPath: '/x', options: ['ro'] }],
};

export const soundSpec: CdiSpec = {
  cdiVersion: '0.5.0',
  kind: 'vendor.example/gpu',
  devices: [{ name: 'GPU-0', containerEdits: edits }],
  containerEdits: edits,
};

interface BrokenSpec {
  readonly name: string;
  readonly spec: CdiSpec;
  /** Part of what our check says. */
  readonly says: string;
  /** Other readers of specs let it pass. */
  readonly oursAlone?: true;
}

function withEdits(changed: Partial<ContainerEdits>): CdiSpec {
  return { ...soundSpec, containerEdits: { ...edits, ...changed } };
}

/** Specs with one fault each. */
export const brokenSpecs: readonly BrokenSpec[] = [
  { name: 'no device', spec: { ...soundSpec, devices: [] }, says: 'no device' },
  { name: 'a kind without a class', spec: { ...soundSpec, kind: 'vendor' }, says: 'vendor/class' },
  { name: 'a vendor of digits', spec: { ...soundSpec, kind: '1/gpu' }, says: 'vendor/class' },
  { name: 'an unknown version', spec: { ...soundSpec, cdiVersion: '0.5' }, says: 'version' },
  { name: 'too low a version', spec: { ...soundSpec, cdiVersion: '0.3.0' }, says: '0.5.0' },
  {
    name: 'a device twice',
    spec: { ...soundSpec, devices: [...soundSpec.devices, ...soundSpec.devices] },
    says: 'twice',
  },
  {
    name: 'a name with a space',
    spec: { ...soundSpec, devices: [{ name: 'a b', containerEdits: edits }] },
    says: 'no name',
  },
  {
    name: 'a name that ends in a mark',
    spec: { ...soundSpec, devices: [{ name: 'ab-', containerEdits: edits }] },
    says: 'no name',
  },
  {
    name: 'a device without edits',
    spec: { ...soundSpec, devices: [{ name: 'a', containerEdits: {} }] },
    says: 'empty',
  },
  { name: 'a variable without a value', spec: withEdits({ env: ['A'] }), says: 'NAME=value' },
  { name: 'a variable without a name', spec: withEdits({ env: ['=b'] }), says: 'NAME=value' },
  {
    name: 'an unknown permission',
    spec: withEdits({ deviceNodes: [{ path: '/dev/x', permissions: 'rx' }] }),
    says: 'permissions',
  },
  {
    name: 'a node without a path',
    spec: withEdits({ deviceNodes: [{ path: '', hostPath: '/x', permissions: 'rw' }] }),
    says: 'absolute path',
  },
  {
    name: 'a mount from nowhere',
    spec: withEdits({ mounts: [{ hostPath: '', containerPath: '/x', options: [] }] }),
    says: 'absolute path',
  },
  {
    name: 'a mount to a relative path',
    spec: withEdits({ mounts: [{ hostPath: '/x', containerPath: 'x', options: [] }] }),
    says: 'absolute path',
    oursAlone: true,
  },
  {
    name: 'a hook without a program',
    spec: withEdits({ hooks: [{ hookName: 'createContainer', path: '', args: ['x'], env: [] }] }),
    says: 'absolute path',
  },
  {
    name: 'a hook without its own name',
    spec: withEdits({ hooks: [{ hookName: 'createContainer', path: '/x', args: [], env: [] }] }),
    says: 'no arguments',
    oursAlone: true,
  },
];
