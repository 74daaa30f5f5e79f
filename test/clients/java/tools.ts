import { equal } from "node:assert/strict";
import type { Broker } from "../support/broker.ts";
import { runJava } from "../support/java.ts";
import { type Finished, lastLines } from "../support/processes.ts";

// All but ConfigCommand lives in kafka-tools; that one is in kafka_2.13, among the broker's own classes.
export const TOOLS = "org.apache.kafka.tools";
export const CONFIG_COMMAND = "kafka.admin.ConfigCommand";

export type GroupProtocol = "classic" | "consumer";

/** What differs between the releases. */
export interface Release {
  readonly version: string;
  readonly apiVersionsCommand: string;
  /** Of ProducerPerformance. */
  readonly propertiesOption: string;
  readonly consumerPerformance: { readonly recordsOption: string; readonly configOption: string };
  /** Of consumer groups. */
  readonly protocols: readonly GroupProtocol[];
  /** What runs at night only. Releases before 4.0 speak KIP-848 as a preview, in version 0 of its heartbeat. */
  readonly nightlyProtocols: readonly GroupProtocol[];
}

/** The tools of a release and the broker that they talk to. */
export interface Kit {
  readonly release: Release;
  readonly broker: Broker;
  /** Of consumer groups: those to check. */
  readonly protocols: readonly GroupProtocol[];
}

export async function tool(kit: Kit, main: string, ...args: readonly string[]): Promise<Finished> {
  const { version } = kit.release;
  return await runJava(main, ["--bootstrap-server", kit.broker.address, ...args], { version });
}

/** What the tool prints to stdout; a status other than 0 is an error. */
export async function toolOutput(kit: Kit, main: string, ...args: readonly string[]): Promise<string> {
  const finished = await tool(kit, main, ...args);
  const said = lastLines(finished.stdout + finished.stderr);
  equal(finished.code, 0, `${main} ${args.join(" ")} ended with ${finished.code}: ${said}`);
  return finished.stdout;
}

export const sortedLines = (text: string): readonly string[] => text.trim().split("\n").toSorted();
