import { isDeviceName, isKind } from './cdi-names.ts';
import { minimumVersion, type CdiSpec, type ContainerEdits } from './cdi-spec.ts';

/** Every way in which a spec breaks CDI's rules (SPEC.md); a runtime leaves out the whole file for one of them. */
export function checkSpec(spec: CdiSpec): readonly string[] {
  const { cdiVersion, kind, devices, containerEdits = {} } = spec;
  const names = devices.map(({ name }) => name);
  const twice = names.filter((name, at) => names.indexOf(name) !== at);
  const needed = minimumVersion(spec);
  return [
    ...(isKind(kind) ? [] : [`the kind ${quote(kind)} is not vendor/class`]),
    ...(isAtLeast(cdiVersion, needed) ? [] : [`the version ${quote(cdiVersion)} lacks what ${needed} has`]),
    ...(devices.length > 0 ? [] : ['there is no device']),
    ...[...new Set(twice)].map((name) => `the device ${quote(name)} is there twice`),
    ...checkEdits('every device', containerEdits),
    ...devices.flatMap((device) => [
      ...(isDeviceName(device.name) ? [] : [`${quote(device.name)} is no name of a device`]),
      ...(Object.keys(device.containerEdits).length > 0 ? [] : [`the device ${quote(device.name)} is empty`]),
      ...checkEdits(`the device ${quote(device.name)}`, device.containerEdits),
    ]),
  ];
}

const versions = ['0.3.0', '0.4.0', '0.5.0', '0.6.0', '0.7.0', '0.8.0', '1.0.0', '1.1.0'];

function isAtLeast(version: string, needed: string): boolean {
  return versions.indexOf(version) >= Math.max(0, versions.indexOf(needed));
}

function checkEdits(
  where: string,
  { env = [], deviceNodes = [], hooks = [], mounts = [] }: ContainerEdits,
): string[] {
  const variables = [...env, ...hooks.flatMap((hook) => hook.env)];
  const paths = [
    ...deviceNodes.flatMap(({ path, hostPath }) => [path, hostPath ?? path]),
    ...hooks.map(({ path }) => path),
    ...mounts.flatMap(({ hostPath, containerPath }) => [hostPath, containerPath]),
  ];
  const permissions = deviceNodes.map((node) => node.permissions);
  return [
    ...variables
      .filter((each) => !/^[^=\0]+=/.test(each))
      .map((each) => `${where}: ${quote(each)} is not NAME=value`),
    ...paths
      .filter((path) => !/^\/[^\0]+$/.test(path))
      .map((path) => `${where}: ${quote(path)} is no absolute path`),
    ...permissions.filter((each) => !/^[rwm]*$/.test(each)).map((each) => `${where}: permissions ${each}`),
    ...hooks
      .filter(({ args }) => args.length === 0)
      .map(({ path }) => `${where}: the hook ${path} has no arguments`),
  ];
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
