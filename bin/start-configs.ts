import { resolve } from "node:path";
import { BrokerConfigError, parseBrokerConfigs } from "#lib/cluster/broker-configs.ts";
import { formatHostPort } from "#lib/config/host-port.ts";
import type { ServeSettings } from "#lib/config/serve-settings.ts";

/** Kafka broker configs that a setting of ours decides, for it decides more than that; by the setting's name. */
const DECIDED_BY: ReadonlyMap<string, string> = new Map([
  ["listeners", "kafka"],
  ["advertised.listeners", "advertise"],
  ["node.id", "broker-id"],
  ["broker.id", "broker-id"],
  ["broker.rack", "rack"],
  ["log.dir", "data-dir or --store"],
  ["log.dirs", "data-dir or --store"],
]);

/**
 * The broker configs of a process as clients are shown them: those given, and what the other settings come to. Fails with
 * `BrokerConfigError` on an unknown key, a bad value, or a key that another setting decides.
 */
export function startConfigs(settings: ServeSettings): ReadonlyMap<string, string> {
  for (const name of settings.brokerConfigs.keys()) {
    const decidedBy = DECIDED_BY.get(name);
    if (decidedBy !== undefined) throw new BrokerConfigError(`broker config ${name}: set --${decidedBy} instead`);
  }
  const configs = parseBrokerConfigs(settings.brokerConfigs);
  configs.set("node.id", String(settings.brokerId));
  configs.set("broker.id", String(settings.brokerId));
  configs.set("log.dirs", logDirs(settings));
  configs.set("listeners", settings.listeners.map((each) => `${each.name}://${formatHostPort(each)}`).join(","));
  const advertised = settings.listeners.flatMap(({ name, advertisedHost: host, advertisedPort: port }) =>
    host === undefined || port === undefined ? [] : [`${name}://${formatHostPort({ host, port })}`],
  );
  if (advertised.length > 0) configs.set("advertised.listeners", advertised.join(","));
  if (settings.rack !== undefined) configs.set("broker.rack", settings.rack);
  return configs;
}

function logDirs({ aws, dataDir }: ServeSettings): string {
  if (aws === undefined) return resolve(dataDir);
  return aws.stores.map(({ bucket, prefix }) => `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`).join(",");
}
