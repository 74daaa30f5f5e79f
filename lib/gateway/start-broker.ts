import { ApiRouter } from "#lib/broker/api-router.ts";
import { assembleBroker, type BrokerSettings } from "#lib/broker/assemble-broker.ts";
import type { BrokerServices } from "#lib/broker/broker-services.ts";
import { BROKER_HANDLERS } from "#lib/broker/handlers.ts";
import type { BrokerPorts } from "#lib/broker/open-journals.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import type { RequestLedger } from "#lib/runtime/ledger.ts";
import { KAFKA_CONNECTIONS } from "#lib/runtime/metrics.ts";
import { NO_TELEMETRY } from "#lib/runtime/telemetry.ts";
import { ipRules } from "#lib/security/ip-rules.ts";
import type { BrokerId } from "#lib/util/branded.ts";
import type { HttpListenerSettings, HttpServer } from "./http-server.ts";
import { type BoundListener, KafkaServer, type ListenerSettings } from "./kafka-server.ts";

export interface StartSettings extends BrokerSettings {
  readonly listeners: readonly ListenerSettings[];
  /** Undefined: no HTTP door, and none of its code is loaded. */
  readonly http?: HttpListenerSettings | undefined;
  /** What is under way when the broker stops gets this long at the doors, and again in the log. */
  readonly drainMs: number;
}

export interface StartPorts extends BrokerPorts {
  /** What `/metrics` shows, as Prometheus' text. */
  readonly metricsText?: () => Promise<string>;
  /** What the ports ask of services that charge by the request. */
  readonly ledger?: RequestLedger;
}

/** A broker that clients can reach. */
export interface StartedBroker {
  readonly services: BrokerServices;
  /** In the settings' order. */
  readonly listeners: readonly BoundListener[];
  /** Where HTTP clients find it; undefined without that door. */
  readonly http: { readonly host: string; readonly port: number } | undefined;
  /** Resolves when the broker is registered in the cluster, which happens beside the serving. */
  readonly joined: Promise<void>;
  /** Resolves to the reason when the broker must end: it cannot have its id, or another process has taken it. */
  readonly failed: Promise<Error>;
  /** See `BrokerPresence`. */
  isSettled(brokerCount: number): Promise<boolean>;
  /** See `BrokerMembership`. */
  fenceDead(brokerId: BrokerId): Promise<void>;
  /** Takes no new connection, answers what is under way, closes the doors and then the log. */
  stop(): Promise<void>;
}

/**
 * Assembles a broker and opens its doors. Rejects if the journals cannot be read, and with `ListenError`; nothing runs
 * then.
 */
export async function startBroker(ports: StartPorts, settings: StartSettings): Promise<StartedBroker> {
  const { clock, logger, telemetry = NO_TELEMETRY } = ports;
  const { listeners, drainMs } = settings;
  const broker = await assembleBroker(ports, settings);
  const { presence } = broker;
  const { cluster } = broker.services;
  const kafka = new KafkaServer(
    {
      listeners,
      requestBytesMax: cluster.brokerInteger("socket.request.max.bytes"),
      connectionsMax: cluster.brokerInteger("max.connections"),
      connectionIdleMsMax: cluster.brokerInteger("connections.max.idle.ms"),
    },
    { router: new ApiRouter(BROKER_HANDLERS, broker.services), logger },
  );
  telemetry.gauge(KAFKA_CONNECTIONS, () => kafka.connectionCount);
  let http: HttpServer | undefined;
  const stopping = new AbortController();
  const stop = async (): Promise<void> => {
    stopping.abort(new Error("the broker stops"));
    {
      using limit = timeLimit(clock, drainMs);
      // Others take over what this broker leads while it answers what is under way.
      await Promise.all([presence.leave(limit.signal), kafka.stop(limit.signal), http?.stop(limit.signal)]);
    }
    using limit = timeLimit(clock, drainMs);
    await broker.stop(limit.signal);
  };
  try {
    const bound = await kafka.start();
    http =
      settings.http === undefined
        ? undefined
        : await newHttpServer(settings.http, ports, broker.services, stopping.signal);
    const httpPort = await http?.start();
    presence.join(bound.map(({ info }) => ({ name: info.name, host: info.advertisedHost, port: info.advertisedPort })));
    return {
      services: broker.services,
      listeners: bound,
      http: settings.http && httpPort !== undefined ? { host: settings.http.host, port: httpPort } : undefined,
      joined: presence.joined,
      failed: presence.failed,
      isSettled: (brokerCount) => presence.isSettled(brokerCount),
      fenceDead: (brokerId) => presence.fenceDead(brokerId),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Loads the HTTP door when the Kafka door is open, and only where there is to be one. */
async function newHttpServer(
  listener: HttpListenerSettings,
  { telemetry = NO_TELEMETRY, metricsText, ledger }: StartPorts,
  broker: BrokerServices,
  signal: AbortSignal,
): Promise<HttpServer> {
  const [{ HttpServer }, { KeyAuthenticator }] = await Promise.all([
    import("./http-server.ts"),
    import("#lib/http/key-authenticator.ts"),
  ]);
  const { auth: mode = "none", allow = [], deny = [] } = listener.access ?? {};
  const auth = new KeyAuthenticator({
    keys: broker.cluster,
    isKeyNeeded: mode === "keys",
    addresses: ipRules({ allow, deny }),
    clock: broker.clock,
    signal,
  });
  const connectionsMax = broker.cluster.brokerInteger("max.connections");
  return new HttpServer({ listener, connectionsMax }, { broker, auth, telemetry, metricsText, ledger });
}
