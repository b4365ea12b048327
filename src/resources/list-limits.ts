/** Most devices of one resource: the kubelet reads a list of at most 4 MiB and writes every id to its checkpoint at each change. */
export const maxDevices = 20_000;
/** Half of what the kubelet's gRPC client reads (kubernetes: pkg/kubelet/cm/devicemanager/plugin/v1beta1/client.go). */
export const maxListBytes = 2 * 1024 * 1024;

/** How a list is too large for a resource: `null` when it is not. */
export function checkListSize(
  ids: Iterable<string>,
): { readonly devices: number; readonly bytes: number } | null {
  let devices = 0;
  let bytes = 0;
  for (const id of ids) {
    devices += 1;
    bytes += deviceBytes(id.length);
  }
  return devices > maxDevices || bytes > maxListBytes ? { devices, bytes } : null;
}

/**
 * Bytes of one device in an encoded ListAndWatchResponse, at most: the id, the longer word for its health, one NUMA node (two
 * nested messages of one number), and a tag and a length for each of them.
 */
function deviceBytes(idLength: number): number {
  const field = (length: number): number => 1 + (length < 128 ? 1 : 2) + length;
  return field(field(idLength) + field('Unhealthy'.length) + field(field(2)));
}
