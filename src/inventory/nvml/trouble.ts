import { DriverError } from '../driver.ts';
import type { Snapshot } from '../gpu.ts';
import type { HostEnd } from './host-process.ts';
import type { HostStep } from './protocol.ts';

/** Milliseconds that the helper may take for a step before it is taken for hung. */
export interface NvmlDeadlines {
  /** From the start of the helper to the library being initialised; slow without persistence mode. */
  readonly initMs: number;
  /** The first reading of a GPU since then, which may have to wake it up. */
  readonly firstTouchMs: number;
  /** Any other reading of one GPU. */
  readonly callMs: number;
}

export const defaultDeadlines: NvmlDeadlines = { initMs: 120_000, firstTouchMs: 60_000, callMs: 10_000 };

/** The deadline of a step. */
export function deadlineMs(step: HostStep, deadlines: NvmlDeadlines): number {
  if (step.at === 'open') return deadlines.initMs;
  return step.at === 'gpu' && step.first ? deadlines.firstTouchMs : deadlines.callMs;
}

/** For a person: the helper was ended because a step took too long. */
export function describeHang(step: HostStep, limitMs: number, known: Snapshot | null): string {
  return (
    `The NVIDIA driver did not answer within ${limitMs / 1000} s while ${describeStep(step, known)}. ` +
    `The helper process was ended; the next reading starts a new one. ${whereToLook(step)}`
  );
}

/** For a person: the helper ended unasked. `step` is null when it was idle. */
export function describeEnd(end: HostEnd, step: HostStep | null, known: Snapshot | null): string {
  if (end.startError !== null)
    return `The NVML helper process could not be started: ${end.startError.message}`;
  const how = end.signal === null ? `ended with exit code ${end.exitCode}` : `was ended by ${end.signal}`;
  const when = step === null ? 'while it was idle' : `while ${describeStep(step, known)}`;
  const look = end.signal === 'SIGKILL' ? oomAdvice : whereToLook(step);
  return `The NVML helper process ${how} ${when}. The next reading starts a new one. ${look}`;
}

/** For calls while a helper that does not die keeps another one from being started. */
export function stuckError(): DriverError {
  return new DriverError(
    'driver-failed',
    'A helper process is stuck in a call to the NVIDIA kernel driver and cannot be killed, so no other is started for ' +
      "5 minutes. 'dmesg | grep -e NVRM -e Xid' may tell which GPU it is; a GPU reset or a reboot frees it.",
  );
}

/** True where the process died of what it did, not of what was done to it. */
export function isCrash(end: HostEnd): boolean {
  return end.signal !== null && crashSignals.has(end.signal);
}

/** The GPU that a step deals with. */
export function gpuOf(step: HostStep): number | null {
  return step.at === 'gpu' || step.at === 'links' ? step.gpu : null;
}

const crashSignals: ReadonlySet<string> = new Set(['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGABRT']);
const oomAdvice =
  "If the kernel ran out of memory, 'dmesg' says so: raise the memory limit of the container.";

function describeStep(step: HostStep, known: Snapshot | null): string {
  if (step.at === 'open') return 'loading and initialising the driver library';
  if (step.at === 'count') return 'counting the GPUs';
  const gpu = known?.gpus.find(({ index }) => index === step.gpu);
  const identity =
    gpu === undefined ? '' : ` (${gpu.uuid}${gpu.pciBusId === null ? '' : `, ${gpu.pciBusId}`})`;
  return `reading ${step.at === 'links' ? 'the links of ' : ''}GPU ${step.gpu}${identity}`;
}

function whereToLook(step: HostStep | null): string {
  const gpu = step === null ? null : gpuOf(step);
  return `Look at 'dmesg | grep -e NVRM -e Xid' and whether 'nvidia-smi${gpu === null ? '' : ` -i ${gpu}`}' answers.`;
}
