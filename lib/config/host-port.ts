export interface HostPort {
  readonly host: string;
  /** 0 to 65535; 0 takes a free port where one listens. */
  readonly port: number;
}

/** Reads `HOST:PORT` and `[IPV6]:PORT`; undefined for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  const host = match[1] ?? match[2];
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
