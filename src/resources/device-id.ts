/** What the kubelet calls a device: the UUID of the GPU or the MIG instance, and for a time slice its number (NVIDIA: internal/rm). */
export interface DeviceId {
  readonly uuid: string;
  /** `null` for a device that is not shared. */
  readonly replica: number | null;
}

/** `GPU-…`, or `GPU-…::3` for the fourth time slice. */
export function formatDeviceId({ uuid, replica }: DeviceId): string {
  return replica === null ? uuid : `${uuid}::${replica}`;
}

/** Reads an id back; anything is one, as other plugins have ids of their own. */
export function parseDeviceId(id: string): DeviceId {
  const parts = /^(.+)::(\d{1,9})$/.exec(id);
  return parts === null ? { uuid: id, replica: null } : { uuid: parts[1] ?? '', replica: Number(parts[2]) };
}
