import { fileURLToPath } from "node:url";
import { Broker, type CommandMaker } from "../../test/clients/support/broker.ts";
import { kafkaCommand } from "../../test/clients/support/kafka-broker.ts";
import { millraceCommand } from "../../test/clients/support/millrace-broker.ts";

export type ContestantName = "ours" | "kafka" | "kafka-synced" | "null";

/** A broker to be measured. */
export interface Contestant {
  readonly name: ContestantName;
  readonly what: string;
  readonly command: CommandMaker;
  readonly configs: Readonly<Record<string, string>>;
}

/** As Kafka's own start scripts set them (kafka-server-start.sh, kafka-run-class.sh). */
const KAFKA_JVM = [
  "-server",
  "-Xms1G",
  "-Xmx1G",
  "-XX:+UseG1GC",
  "-XX:MaxGCPauseMillis=20",
  "-XX:InitiatingHeapOccupancyPercent=35",
  "-XX:+ExplicitGCInvokesConcurrent",
];

const kafka: CommandMaker = (settings, port) => kafkaCommand(settings, port, KAFKA_JVM);
/** For small runs: starts in half the time and never gets as fast. */
const quickKafka: CommandMaker = (settings, port) => kafkaCommand(settings, port);

const nullBroker: CommandMaker = ({ port }) => ({
  command: process.execPath,
  args: [fileURLToPath(new URL("../null-broker.ts", import.meta.url)), "--port", String(port)],
  readyText: `ready kafka=127.0.0.1:${port}`,
});

export const OURS: Contestant = {
  name: "ours",
  what: "Millrace with its defaults: records are synced to the disk before they are acknowledged",
  command: millraceCommand,
  configs: {},
};

export const KAFKA: Contestant = {
  name: "kafka",
  what: "Apache Kafka with its defaults: records are in the page cache when they are acknowledged, synced some time later",
  command: kafka,
  configs: {},
};

export const KAFKA_SYNCED: Contestant = {
  name: "kafka-synced",
  what: "Apache Kafka with log.flush.interval.messages=1: each append is synced before it is acknowledged",
  command: kafka,
  configs: { "log.flush.interval.messages": "1" },
};

export const NULL_BROKER: Contestant = {
  name: "null",
  what: "a broker that parses and answers but stores nothing: the client's own ceiling",
  command: nullBroker,
  configs: {},
};

export const CONTESTANTS: readonly Contestant[] = [OURS, KAFKA, KAFKA_SYNCED, NULL_BROKER];

export interface Running {
  readonly contestant: Contestant;
  readonly broker: Broker;
}

/** Starts all of them, each with data of its own. They end, and their data goes, with the stack. */
export async function startAll(
  contestants: readonly Contestant[],
  stack: AsyncDisposableStack,
): Promise<readonly Running[]> {
  const started = await Promise.allSettled(
    contestants.map(async (contestant): Promise<Running> => {
      const { command, configs } = contestant;
      return { contestant, broker: await Broker.start(command, { configs }) };
    }),
  );
  const running = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  for (const { broker } of running) stack.use(broker);
  for (const each of started) if (each.status === "rejected") throw each.reason;
  return running;
}

/** The same contestants where nobody looks at their figures. */
export function quick(contestant: Contestant): Contestant {
  return contestant.command === kafka ? { ...contestant, command: quickKafka } : contestant;
}

/** Samples by contestant, one for each repeat. */
export class Samples {
  readonly #samples = new Map<ContestantName, number[]>();

  add(name: ContestantName, value: number): void {
    const samples = this.#samples.get(name);
    if (samples === undefined) this.#samples.set(name, [value]);
    else samples.push(value);
  }

  of(name: ContestantName): readonly number[] {
    return this.#samples.get(name) ?? [];
  }
}
