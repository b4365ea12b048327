import { join } from 'node:path';
import { qualify } from '../../allocation/cdi/cdi-names.ts';
import { checkSpec } from '../../allocation/cdi/cdi-rules.ts';
import { renderSpec } from '../../allocation/cdi/cdi-spec.ts';
import { makeMachineSpec } from '../../allocation/cdi/machine-spec.ts';
import { NodeDescriber } from '../../cdi/describe-node.ts';
import { readSpecFile, replaceSpecFile } from '../../cdi/spec-file.ts';
import { toolkitKind, ToolkitSpecReader } from '../../cdi/toolkit-spec.ts';
import type { Config } from '../../config/config.ts';
import { readDeviceNodes } from '../../inventory/device-nodes.ts';
import { findDriverRoot } from '../../inventory/driver-root.ts';
import type { Snapshot } from '../../inventory/gpu.ts';
import { OperatorError } from '../../lib/errors.ts';
import { describeSettings, inventorySettings } from '../settings.ts';

/** The CDI spec of a machine without a kubelet, and its file. */
export interface MachineSpec {
  readonly file: string;
  readonly text: string;
  /** Full names of the devices, as container engines take them. */
  readonly devices: readonly string[];
  /** What is left out or works less well than it could, one sentence each. */
  readonly notes: readonly string[];
}

/** How a file compares with what it should say. */
export type SpecFileState = 'good' | 'missing' | 'other';

/** Neither the agent's own names nor the toolkit's files: those have other writers. */
const fileName = 'slicewise-nvidia-gpu.json';

/**
 * Describes the machine's GPUs to container engines, as the agent does to the kubelet's runtime.
 * @throws OperatorError `no-devices` where there is none that can be described, `cdi-rules` for what no engine would take
 */
export async function describeMachine(snapshot: Snapshot, config: Config): Promise<MachineSpec> {
  const { cdi } = describeSettings(config);
  const seenAt = findDriverRoot({ containerDriverRoot: cdi.containerDriverRoot, driverRoot: cdi.onHost });
  const options = { ...cdi, seenAt, names: 'own', features: [] } as const;
  const nodes = await readDeviceNodes(inventorySettings(config).devRoot, []);
  const [byIndex, byUuid] = await Promise.all(
    (['index', 'uuid'] as const).map((deviceIdStrategy) =>
      new NodeDescriber({ ...options, deviceIdStrategy }).describe(snapshot, nodes),
    ),
  );
  const [indexed, named] = [byIndex?.specs.get('gpu'), byUuid?.specs.get('gpu')];
  const faults = [...(byUuid?.faults ?? [])].map(([uuid, reason]) => `${uuid} is left out: ${reason}`);
  const unreadable = snapshot.unreadable.map(({ index, error }) => `GPU ${index} is left out: ${error}`);
  const notes = [...faults, ...unreadable, ...(byUuid?.trouble ?? [])];
  if (indexed === undefined || named === undefined)
    throw new OperatorError('no-devices', ['there is no GPU that can be described', ...notes].join('; '));
  const spec = makeMachineSpec(toolkitKind, indexed, named);
  const broken = checkSpec(spec);
  if (broken.length > 0)
    throw new OperatorError('cdi-rules', `the GPUs cannot be described in CDI: ${broken.join('; ')}`);
  return {
    file: join(cdi.cdiRoot, fileName),
    text: renderSpec(spec),
    devices: spec.devices.map(({ name }) => qualify(toolkitKind, name)),
    notes,
  };
}

/** Whether the file says what it should. @throws Error when it cannot be read */
export async function judgeSpecFile({ file, text }: MachineSpec): Promise<SpecFileState> {
  const found = await readSpecFile(file);
  if (found === null) return 'missing';
  return found === text ? 'good' : 'other';
}

/**
 * Writes the file where it is not as it should be.
 * @returns how it was before
 * @throws OperatorError `two-writers` where the toolkit describes the same devices in the same folder: engines would take neither
 */
export async function writeSpecFile(spec: MachineSpec, folder: string): Promise<SpecFileState> {
  const { names, files } = await new ToolkitSpecReader([folder]).read();
  if (spec.devices.some((device) => names.has(device.slice(toolkitKind.length + 1))))
    throw new OperatorError(
      'two-writers',
      `${files.join(', ')} describes the same devices, and of two such files in one folder container engines take neither: ` +
        'use that one, or remove it, or name another folder (--cdi-root)',
    );
  const before = await judgeSpecFile(spec);
  if (before !== 'good') await replaceSpecFile(spec.file, spec.text);
  return before;
}
