/** The metrics of how GPUs are; a part of the one table. */
export const healthDefinitions = {
  gpuVerdicts: {
    kind: 'gauge',
    name: 'slicewise_gpu_verdicts',
    help: 'GPUs by how they are: healthy; degraded, to be looked after and given out; unmonitored, so that nobody would hear of a fault; unhealthy, whole or in part not given out, also where the driver names the GPU no more.',
    labels: { state: ['healthy', 'degraded', 'unmonitored', 'unhealthy'] },
  },
  gpuUnhealthySince: {
    kind: 'gauge',
    name: 'slicewise_gpu_unhealthy_since_seconds',
    help: 'Since when the GPU is unhealthy, in seconds since 1970; absent while it is not.',
    labels: { uuid: 'uuid' },
  },
  xids: {
    kind: 'counter',
    name: 'slicewise_xids_total',
    help: "XIDs that the driver told, by the GPU, the code (those that NVIDIA's catalogue lacks as one), and the class that it has by the catalogue.",
    labels: {
      uuid: 'uuid',
      xid: 'xid',
      class: ['restart-app', 'ignore', 'reset', 'reboot', 'support', 'workflow', 'open', 'unused', 'unknown'],
    },
  },
  healthWrites: {
    kind: 'counter',
    name: 'slicewise_health_writes_total',
    help: 'Times that the API server was told of the health of GPUs, or that this failed, by what was to be written; what was there already is not counted.',
    labels: { what: ['condition', 'taint', 'event'], result: ['written', 'failed'] },
  },
} as const;
