import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { parseServeSettings, type RawSettings } from "#lib/config/serve-settings.ts";
import { type Logger, SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { defined } from "#lib/util/assert.ts";
import { startEmbeddedBroker } from "../../bin/embedded-broker.ts";
import type { ServedBroker } from "../../bin/start-settings.ts";

/** What `millrace serve` runs, on a real directory and a real port, but in this process. */
export class Embedded implements AsyncDisposable {
  readonly #broker: ServedBroker;

  static async start(dataDir: string, own: RawSettings = {}, logger: Logger = SILENT_LOGGER): Promise<Embedded> {
    const settings = parseServeSettings({ "data-dir": dataDir, kafka: "127.0.0.1:0", ...own });
    return new Embedded(await startEmbeddedBroker(settings, logger));
  }

  private constructor(broker: ServedBroker) {
    this.#broker = broker;
  }

  async connect(): Promise<KafkaConnection> {
    const { host, port } = defined(this.#broker.listeners[0], "a listener");
    const connection = await KafkaConnection.open({ host, port, clientId: "test" });
    await connection.negotiate();
    return connection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker.stop();
  }
}
