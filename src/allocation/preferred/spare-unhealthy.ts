import type { PreferredRequest } from './preferred-request.ts';

/**
 * The request without the devices that the newest list shows Unhealthy, if enough are left: for a moment the kubelet proposes by the list
 * before. Required ones stay.
 */
export function spareUnhealthy(request: PreferredRequest, unhealthy: ReadonlySet<string>): PreferredRequest {
  if (unhealthy.size === 0) return request;
  const required = new Set(request.requiredIds);
  const availableIds = request.availableIds.filter((id) => required.has(id) || !unhealthy.has(id));
  const isEnough = new Set([...required, ...availableIds]).size >= request.size;
  return isEnough ? { ...request, availableIds } : request;
}
