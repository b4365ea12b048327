import { unknownSigns, type GpuSigns, type RecoveryAction, type Slowdown } from '../gpu-signs.ts';
import { readField, readText } from './fields.ts';
import { nodeAt, valueAt, type OutlineNode } from './outline.ts';

/** What a `GPU <bus id>` block of `-q` tells of how the GPU is. NVLinks are not in it. */
export function readSigns(uuid: string, block: readonly OutlineNode[], fault: string | null): GpuSigns {
  const signs = { ...unknownSigns(uuid), unmonitored: tellsNothing };
  // An unknown error may pass without a reset; what says that the GPU is lost, or has to be reset, does not.
  if (fault !== null) return { ...signs, lost: fault, isUnsure: readField(fault).kind !== 'fault' };
  return {
    ...signs,
    recoveryAction: readRecoveryAction(block),
    rowRemap: readRowRemap(block),
    sramThresholdExceeded: readYes(valueAt(block, 'ECC Errors', 'Aggregate', 'SRAM Threshold Exceeded')),
    slowdowns: readSlowdowns(block),
  };
}

const tellsNothing = 'nvidia-smi tells nothing unasked; the GPU is asked regularly instead';

function readRecoveryAction(block: readonly OutlineNode[]): RecoveryAction | null {
  const text = readText(valueAt(block, 'GPU Recovery Action'))?.toLowerCase() ?? null;
  return text === null ? null : (recoveryWords.get(text) ?? 'other');
}

/** In the words of `nvidia-smi --help-query-gpu` and of `nvml.h`. */
const recoveryWords: ReadonlyMap<string, RecoveryAction> = new Map([
  ['none', 'none'],
  ['reset', 'reset'],
  ['gpu reset', 'reset'],
  ['reboot', 'reboot'],
  ['node reboot', 'reboot'],
  ['drain p2p', 'drain-p2p'],
  ['drain and reset', 'drain-and-reset'],
]);

function readRowRemap(block: readonly OutlineNode[]): GpuSigns['rowRemap'] {
  const failed = readYes(valueAt(block, 'Remapped Rows', 'Remapping Failure Occurred'));
  const pending = readYes(valueAt(block, 'Remapped Rows', 'Pending'));
  return failed === null || pending === null ? null : { failed, pending };
}

/** Drivers up to 535 have it under an older heading. */
function readSlowdowns(block: readonly OutlineNode[]): Slowdown[] {
  const reasons = nodeAt(block, 'Clocks Event Reasons') ?? nodeAt(block, 'Clocks Throttle Reasons');
  const isActive = (name: string): boolean =>
    valueAt(reasons?.children ?? [], 'HW Slowdown', name)?.trim() === 'Active';
  return slowdownNames.filter(([name]) => isActive(name)).map(([, slowdown]) => slowdown);
}

const slowdownNames: readonly (readonly [string, Slowdown])[] = [
  ['HW Thermal Slowdown', 'thermal'],
  ['HW Power Brake Slowdown', 'power-brake'],
];

function readYes(raw: string | undefined): boolean | null {
  const text = readText(raw);
  return text === 'Yes' ? true : text === 'No' ? false : null;
}
