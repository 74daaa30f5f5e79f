import { fileURLToPath } from "node:url";
import { FAST_START, javaArguments } from "../support/java.ts";
import { SHORT_SESSION_MS } from "../support/short-sessions.ts";
import type { MemberEvent } from "./history.ts";
import type { Client } from "./plan.ts";

// How each client is started as a consumer, and how what it prints is read.

export const PARTITIONS = 12;

export interface Place {
  readonly address: string;
  readonly topic: string;
  readonly group: string;
}

/** Reads what one consumer prints, line by line; partitions that come and go by themselves are added up. */
export type LineReader = (line: string, atMs: number) => MemberEvent | undefined;

interface ClientKind {
  command(place: Place): Promise<readonly [command: string, args: readonly string[]]>;
  reader(member: string): LineReader;
}

const KAFKAJS_MEMBER = fileURLToPath(new URL("kafkajs-member.ts", import.meta.url));
const PLATFORMATIC_MEMBER = fileURLToPath(new URL("platformatic-member.ts", import.meta.url));

export const CLIENTS: Readonly<Record<Client, ClientKind>> = {
  kafkajs: {
    async command({ address, topic, group }) {
      return [process.execPath, [KAFKAJS_MEMBER, address, topic, group, `${PARTITIONS}`, `${SHORT_SESSION_MS}`]];
    },
    reader: ownReader,
  },
  platformatic: {
    async command({ address, topic, group }) {
      return [process.execPath, [PLATFORMATIC_MEMBER, address, topic, group, `${PARTITIONS}`]];
    },
    reader: ownReader,
  },
  kcat: {
    async command(place) {
      return ["kcat", kcatArguments(place, "range")];
    },
    reader: kcatReader,
  },
  "kcat-cooperative": {
    async command(place) {
      return ["kcat", kcatArguments(place, "cooperative-sticky")];
    },
    reader: kcatReader,
  },
  java: {
    async command({ address, topic, group }) {
      const jvm = await javaArguments([...FAST_START, "-Xmx128m"]);
      const place = ["--bootstrap-server", address, "--topic", topic, "--group-id", group];
      const main = "org.apache.kafka.tools.VerifiableConsumer";
      return ["java", [...jvm, main, ...place, "--group-protocol", "consumer", "--verbose"]];
    },
    reader: javaReader,
  },
};

const KCAT_FORMAT: readonly string[] = ["-u", "-f", "%p %o %s\\n", "-X", "fetch.wait.max.ms=200"];

function kcatArguments({ address, topic, group }: Place, strategy: string): readonly string[] {
  const properties = {
    "session.timeout.ms": `${SHORT_SESSION_MS}`,
    "max.poll.interval.ms": `${SHORT_SESSION_MS}`,
    "heartbeat.interval.ms": "500",
    "auto.commit.interval.ms": "250",
    "auto.offset.reset": "earliest",
    "partition.assignment.strategy": strategy,
  };
  const options = Object.entries(properties).flatMap(([key, value]) => ["-X", `${key}=${value}`]);
  return ["-b", address, ...KCAT_FORMAT, ...options, "-G", group, topic];
}

/** kcat without a group: it reads a partition whoever owns it. */
export function rogueArguments({ address, topic }: Place, partition: number): readonly string[] {
  return ["-b", address, ...KCAT_FORMAT, "-C", "-t", topic, "-p", `${partition}`, "-o", "end"];
}

/** Whether a record is the one that the producer had put there. */
const isWhole = (partition: number, offset: number, value: number): boolean =>
  value === offset * PARTITIONS + partition;

/** Adds up what is assigned and revoked. Eager consumers are told of all that they lose, so it holds for them too. */
class Owned {
  readonly #member: string;
  readonly #partitions = new Set<number>();

  constructor(member: string) {
    this.#member = member;
  }

  change(kind: "assigned" | "revoked", partitions: readonly number[], atMs: number): MemberEvent {
    for (const partition of partitions) {
      if (kind === "assigned") this.#partitions.add(partition);
      else this.#partitions.delete(partition);
    }
    return { kind: "ownership", member: this.#member, partitions: [...this.#partitions], atMs };
  }
}

/**
 * `PARTITION OFFSET VALUE`, or what kcat says on a rebalance: `% Group g rebalanced (memberid m): assigned: t [0], …`, and
 * by the cooperative protocol `% Group g rebalanced: incremental assignment of 2 partition(s) (…): t [0], …`.
 */
export function kcatReader(member: string): LineReader {
  const owned = new Owned(member);
  return (line, atMs) => {
    if (!line.startsWith("%")) {
      const [partition = Number.NaN, offset = Number.NaN, value = Number.NaN] = line.split(" ").map(Number);
      const whole = isWhole(partition, offset, value);
      return { kind: "delivery", member, partition, first: offset, last: offset, atMs, isWhole: whole };
    }
    const found = /^% Group .* rebalanced(?: .*?: |: incremental )(assign|revoke)(.*)$/.exec(line);
    if (found === null) return undefined;
    const partitions = [...(found[2] ?? "").matchAll(/\[(\d+)\]/g)].map(([, id]) => Number(id));
    return owned.change(found[1] === "assign" ? "assigned" : "revoked", partitions, atMs);
  };
}

/** `d TIME PARTITION FIRST LAST WHOLE` for records, `o TIME PARTITION,PARTITION…` for all that it owns from then on. */
function ownReader(member: string): LineReader {
  return (line) => {
    const [kind, time, ...rest] = line.split(" ");
    const atMs = Number(time);
    if (kind === "o") {
      const ids = (rest[0] ?? "").split(",").filter((id) => id !== "");
      return { kind: "ownership", member, partitions: ids.map(Number), atMs };
    }
    if (kind !== "d") return undefined;
    const [partition = Number.NaN, first = Number.NaN, last = Number.NaN, whole] = rest.map(Number);
    return { kind: "delivery", member, partition, first, last, atMs, isWhole: whole === 1 };
  };
}

/** An object of JSON for each event. Its times are of a clock that others do not share. */
function javaReader(member: string): LineReader {
  const owned = new Owned(member);
  return (line, atMs) => {
    if (!line.startsWith("{")) return undefined;
    const { name, partition, offset, value, partitions = [] } = JSON.parse(line);
    if (name === "record_data") {
      const whole = isWhole(partition, offset, Number(value));
      return { kind: "delivery", member, partition, first: offset, last: offset, atMs, isWhole: whole };
    }
    if (name !== "partitions_assigned" && name !== "partitions_revoked") return undefined;
    const ids = partitions.map(({ partition: id }: { readonly partition: number }) => id);
    return owned.change(name === "partitions_assigned" ? "assigned" : "revoked", ids, atMs);
  };
}
