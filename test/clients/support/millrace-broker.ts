import { join } from "node:path";
import type { BrokerCommand } from "./broker.ts";
import { ROOT } from "./provision.ts";

export interface BrokerSettings {
  readonly port: number;
  readonly directory: string;
  readonly configs: Readonly<Record<string, string>>;
}

/** `millrace serve`, run as the start script runs it, without npm in between so that a signal hits the broker itself. */
export function millraceCommand(settings: BrokerSettings): BrokerCommand {
  const address = `127.0.0.1:${settings.port}`;
  const configs = Object.entries(settings.configs).flatMap(([key, value]) => ["--broker-config", `${key}=${value}`]);
  const dataDirectory = join(settings.directory, "data");
  return {
    command: process.execPath,
    args: [join(ROOT, "bin/millrace.ts"), "serve", "--data-dir", dataDirectory, "--kafka", address, ...configs],
    readyText: `ready kafka=${address}`,
  };
}
