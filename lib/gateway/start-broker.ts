import { assembleBroker, type BrokerSettings } from "#lib/broker/assemble-broker.ts";
import type { BrokerServices } from "#lib/broker/broker-services.ts";
import type { BrokerPorts } from "#lib/broker/open-journals.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import { type BoundListener, KafkaServer, type ListenerSettings } from "./kafka-server.ts";

export interface StartSettings extends BrokerSettings {
  readonly listeners: readonly ListenerSettings[];
  /** What is under way when the broker stops gets this long at the doors, and again in the log. */
  readonly drainMs: number;
}

/** A broker that clients can reach. */
export interface StartedBroker {
  readonly services: BrokerServices;
  /** In the settings' order. */
  readonly listeners: readonly BoundListener[];
  /** Takes no new connection, answers what is under way, closes the doors and then the log. */
  stop(): Promise<void>;
}

/**
 * Assembles a broker and opens its doors. Rejects if the journals cannot be read, and with `ListenError`; nothing runs
 * then.
 */
export async function startBroker(ports: BrokerPorts, settings: StartSettings): Promise<StartedBroker> {
  const { clock, logger } = ports;
  const { listeners, drainMs } = settings;
  const broker = await assembleBroker(ports, settings);
  const { cluster } = broker.services;
  const server = new KafkaServer(
    {
      listeners,
      requestBytesMax: cluster.brokerInteger("socket.request.max.bytes"),
      connectionsMax: cluster.brokerInteger("max.connections"),
      connectionIdleMsMax: cluster.brokerInteger("connections.max.idle.ms"),
    },
    { router: broker.router, logger },
  );
  const stopLog = async (): Promise<void> => {
    using limit = timeLimit(clock, drainMs);
    await broker.stop(limit.signal);
  };
  try {
    const bound = await server.start();
    return {
      services: broker.services,
      listeners: bound,
      async stop() {
        using limit = timeLimit(clock, drainMs);
        await server.stop(limit.signal);
        await stopLog();
      },
    };
  } catch (error) {
    await stopLog();
    throw error;
  }
}
