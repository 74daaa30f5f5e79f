import { formatHostPort, type HostPort } from "./host-port.ts";

/** The port of one of several brokers on a machine: the given one and those after it; 0, a free one, stays 0. */
export function portOfBroker(port: number, brokerId: number): number {
  return port === 0 ? 0 : port + brokerId;
}

/** What is wrong with the ports that so many brokers would take, if anything: none is above 65535 or taken twice. */
export function portProblem(
  doors: readonly (HostPort & { readonly setting: string })[],
  brokerCount: number,
): string | undefined {
  const holders = new Map<string, number>();
  for (const { setting, host, port: first } of doors) {
    for (let brokerId = 0; brokerId < brokerCount; brokerId++) {
      const port = portOfBroker(first, brokerId);
      const address = formatHostPort({ host, port });
      if (port > 65_535) return `${setting}: broker ${brokerId} would listen on ${address}, and ports end at 65535`;
      const holder = port === 0 ? undefined : holders.get(address);
      if (holder !== undefined) {
        return `${setting}: ${address} would be broker ${brokerId}'s and is broker ${holder}'s: ${brokerCount} brokers take ${brokerCount} ports from each given one on`;
      }
      holders.set(address, brokerId);
    }
  }
  return undefined;
}
