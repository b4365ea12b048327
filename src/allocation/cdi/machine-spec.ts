import { makeSpec, type CdiHook, type CdiSpec, type ContainerEdits } from './cdi-spec.ts';

/** The device that is all GPUs of the machine. */
const allDevices = 'all';

/**
 * One spec for a machine without a kubelet, where people name devices: each GPU and MIG instance by its index and by its UUID, and all of
 * them together as `all`, as NVIDIA's container toolkit names them.
 * @param byIndex the same devices as in `byUuid`, under their other name
 */
export function makeMachineSpec(kind: string, byIndex: CdiSpec, byUuid: CdiSpec): CdiSpec {
  const all = {
    name: allDevices,
    containerEdits: together(byUuid.devices.map((each) => each.containerEdits)),
  };
  // A UUID that is another one's index comes from no driver; a spec with a name twice would be refused as a whole.
  const named = new Map([all, ...byUuid.devices, ...byIndex.devices].map((device) => [device.name, device]));
  const names = [...byIndex.devices, ...byUuid.devices, all].map(({ name }) => name);
  const devices = [...new Set(names)].flatMap((name) => named.get(name) ?? []);
  return makeSpec(kind, devices, byUuid.containerEdits);
}

/** What all of them make; a device node that several have is made once, and so is a hook. */
function together(edits: readonly ContainerEdits[]): ContainerEdits {
  const nodes = new Map(
    edits.flatMap(({ deviceNodes = [] }) => deviceNodes.map((node) => [node.path, node])),
  );
  const hooks = new Map(
    edits.flatMap(({ hooks: all = [] }) =>
      all.map((hook): [string, CdiHook] => [JSON.stringify(hook), hook]),
    ),
  );
  return { deviceNodes: [...nodes.values()], hooks: [...hooks.values()] };
}
