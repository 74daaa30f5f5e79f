import { type Command, Option } from "commander";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { KafkaClient } from "#lib/client/kafka-client.ts";
import { parseApiKey, parseBootstrap, parseUrl } from "./parse.ts";

const DEFAULT_BOOTSTRAP = "127.0.0.1:9092";

export interface ClientOptions {
  readonly bootstrapServer: string;
  readonly url?: string;
  readonly key?: string;
}

export function addBootstrapOption(command: Command): Command {
  command.addOption(
    new Option("-b, --bootstrap-server <HOST:PORT>", "brokers to ask first, with commas between")
      .env("MILLRACE_BOOTSTRAP_SERVER")
      .default(DEFAULT_BOOTSTRAP),
  );
  return addUrlOptions(command, "speak HTTPS instead: the base URL of a deployment, or http://HOST:PORT of a gateway");
}

/** The HTTPS door and the key for it; `purpose` says what goes that way. */
export function addUrlOptions(command: Command, purpose: string): Command {
  return command
    .addOption(new Option("-u, --url <URL>", purpose).env("MILLRACE_URL"))
    .addOption(
      new Option("--key <KEY>", "an API key for --url; better in the environment than on the command line")
        .env("MILLRACE_KEY")
        .argParser(parseApiKey),
    );
}

export function openClient({ bootstrapServer, url, key }: ClientOptions): KafkaClient {
  const bootstrap = url === undefined ? parseBootstrap(bootstrapServer) : { url: parseUrl(url), key };
  return new KafkaClient({ bootstrap, clientId: "millrace", clock: new SystemClock(), random: new SystemRandom() });
}

/** Gathers a repeatable option. */
export function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}
