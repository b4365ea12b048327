/**
 * True for the UUID of a GPU as the driver writes it. Such a text is safe as a file's name: it has neither slashes nor dots.
 */
export function isGpuUuid(text: string): boolean {
  return /^GPU-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/.test(text);
}
