import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BrokerCommand } from "./broker.ts";
import { FAST_START, javaArguments, runJava } from "./java.ts";
import type { BrokerSettings } from "./millrace-broker.ts";
import { lastLines } from "./processes.ts";

/** A fixed cluster id: 16 bytes in Kafka's base64url. */
const CLUSTER_ID = "TWlsbHJhY2VSZWZlcmVuYw";

/** Starts fast and stays small: for checks, not for measurements. */
const QUICK_JVM = [...FAST_START, "-Xmx512m"];

/** Formats the storage of one Apache Kafka node, broker and KRaft controller in one, and says how to start it. */
export async function kafkaCommand(
  settings: BrokerSettings,
  controllerPort: number,
  jvm: readonly string[] = QUICK_JVM,
): Promise<BrokerCommand> {
  const { directory, port } = settings;
  mkdirSync(directory, { recursive: true });
  const properties = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port}`,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "log.dirs": join(directory, "data"),
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    // A node that was killed may register again only when its last session is over.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "500",
    ...settings.configs,
  };
  const file = join(directory, "server.properties");
  writeFileSync(
    file,
    `${Object.entries(properties)
      .map(([key, value]) => `${key}=${value}`)
      .join("\n")}\n`,
  );
  const formatted = await runJava("kafka.tools.StorageTool", ["format", "-t", CLUSTER_ID, "-c", file]);
  if (formatted.code !== 0) throw new Error(`Kafka's storage: ${lastLines(formatted.stdout + formatted.stderr)}`);
  return {
    command: "java",
    args: [...(await javaArguments([...jvm, `-Dkafka.logs.dir=${directory}`])), "kafka.Kafka", file],
    readyText: "Kafka Server started",
  };
}
