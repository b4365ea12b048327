const label = '[a-z0-9](?:[a-z0-9-]*[a-z0-9])?';
const subdomain = `${label}(?:\\.${label})*`;
const qualified = new RegExp(`^${subdomain}/${subdomain}$`);

/** Length of the longest resource name; NVIDIA's plugin has it too (api/config/v1/resources.go). */
export const maxResourceNameLength = 63;

/**
 * True for `domain/name` in lower case that Kubernetes takes as an extended resource: both parts DNS-1123 subdomains, the domain
 * none of its own (kubernetes: pkg/apis/core/v1/helper, IsExtendedResourceName).
 */
export function isResourceName(text: string): text is `${string}/${string}` {
  return (
    text.length <= maxResourceNameLength &&
    qualified.test(text) &&
    !text.includes('kubernetes.io/') &&
    !text.startsWith('requests.')
  );
}
