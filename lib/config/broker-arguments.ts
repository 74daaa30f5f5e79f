import { portOfBroker } from "./broker-ports.ts";
import { formatHostPort, type HostPort } from "./host-port.ts";
import { SERVE_OPTIONS } from "./serve-options.ts";
import type { RawSettings, ServeSettings } from "./serve-settings.ts";

/** The doors of one broker, where it listens. */
export interface BrokerDoors {
  /** In the order of the listeners. */
  readonly kafka: readonly HostPort[];
  readonly http: HostPort | undefined;
}

/**
 * The flags of one of several brokers over a data directory: all that was given, but its own id and doors. A port is
 * the given one and `brokerId`, or the one in `taken`, which a start before this one got where 0 was given.
 */
export function brokerArguments(
  given: RawSettings,
  settings: ServeSettings,
  own: { readonly brokerId: number; readonly taken?: BrokerDoors | undefined },
): readonly string[] {
  const { brokerId, taken } = own;
  const moved = ({ host, port }: HostPort, known: HostPort | undefined) =>
    formatHostPort({ host, port: port === 0 && known !== undefined ? known.port : portOfBroker(port, brokerId) });
  const { listeners, http } = settings;
  const advertised = listeners.flatMap(({ name, advertisedHost: host, advertisedPort: port }) =>
    host === undefined || port === undefined ? [] : [`${name}=${formatHostPort({ host, port: port + brokerId })}`],
  );
  const doors: RawSettings = {
    kafka: listeners.map((each, at) => `${each.name}=${moved(each, taken?.kafka[at])}`),
    advertise: advertised,
    http: http === undefined ? "off" : moved(http, taken?.http),
    "broker-id": String(brokerId),
  };
  const { brokers: _, ...rest } = given;
  return asArguments({ ...rest, ...doors });
}

function asArguments(settings: RawSettings): readonly string[] {
  return SERVE_OPTIONS.flatMap(({ name }) => {
    const value = settings[name];
    if (value === undefined) return [];
    // In one word with its flag, for a value may begin with a hyphen.
    return (typeof value === "string" ? [value] : value).map((each) => `--${name}=${each}`);
  });
}
