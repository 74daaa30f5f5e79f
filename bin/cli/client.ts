import { type Command, Option } from "commander";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { KafkaClient } from "#lib/client/kafka-client.ts";
import { parseBootstrap } from "./parse.ts";

const DEFAULT_BOOTSTRAP = "127.0.0.1:9092";

export interface ClientOptions {
  readonly bootstrapServer: string;
}

export function addBootstrapOption(command: Command): Command {
  return command.addOption(
    new Option("-b, --bootstrap-server <HOST:PORT>", "brokers to ask first, with commas between")
      .env("MILLRACE_BOOTSTRAP_SERVER")
      .default(DEFAULT_BOOTSTRAP),
  );
}

export function openClient({ bootstrapServer }: ClientOptions): KafkaClient {
  const bootstrap = parseBootstrap(bootstrapServer);
  return new KafkaClient({ bootstrap, clientId: "millrace", clock: new SystemClock(), random: new SystemRandom() });
}

/** Gathers a repeatable option. */
export function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}
