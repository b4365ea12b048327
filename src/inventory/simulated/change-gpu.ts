import type { GpuEvent, ScenarioEvent } from './scenario-schema.ts';
import { applyFigures, applyMigChange, type SimulatedGpu } from './simulated-gpu.ts';

/** The GPU after an event that befalls it. */
export function changeGpu(gpu: SimulatedGpu, event: GpuEvent): SimulatedGpu {
  switch (event.do) {
    case 'lose':
      return { ...gpu, state: 'lost', reason: event.reason ?? null };
    case 'unreadable':
      return { ...gpu, state: 'unreadable', reason: event.reason ?? null };
    case 'restore':
    case 'add':
      return { ...gpu, state: 'present', reason: null };
    case 'remove':
      return { ...gpu, state: 'absent', reason: null };
    case 'change':
      return applyFigures(gpu, event);
    case 'recovery-action':
      return { ...gpu, recoveryAction: event.recoveryAction };
    case 'mig':
      return applyMigChange(gpu, event).gpu;
  }
}

/** True for an event that a GPU is another one after. */
export function isGpuEvent(event: ScenarioEvent): event is GpuEvent {
  return 'gpu' in event && event.do !== 'xid' && event.do !== 'ecc' && event.do !== 'unavailable';
}
