/** Where the HTTP server listens. */
export interface HttpAddress {
  /** Name or address without brackets; `null` is every address of the machine. */
  readonly host: string | null;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** `:port`, `host:port` or `[v6]:port`; `null` when the text is none of them. */
export function parseHttpAddress(text: string): HttpAddress | null {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%\w+)?)\]|([A-Za-z0-9._-]*)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  if (port > 65_535) return null;
  return { host: match[1] ?? (match[2] || null), port };
}

/** The text that `parseHttpAddress` reads back. */
export function formatHttpAddress({ host, port }: HttpAddress): string {
  if (host === null) return `:${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
