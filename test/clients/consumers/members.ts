import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Member, type MemberEvent, nowMs } from "./history.ts";
import type { Client } from "./plan.ts";

export const GROUP = "ten-consumers";
export const PARTITIONS = 12;
/** The smallest that Kafka allows by default; the rebalance time-out is the same. */
export const SESSION_TIMEOUT_MS = 6_000;
const KAFKAJS_MEMBER = fileURLToPath(new URL("kafkajs-member.ts", import.meta.url));

export interface RunningMember {
  readonly member: Member;
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
}

export interface MemberOptions {
  readonly name: string;
  readonly client: Client;
  readonly address: string;
  readonly topic: string;
  /** Reads this partition without asking the group, as a consumer would that ignores its assignment. */
  readonly ignoresGroupFor?: number;
}

/** Starts a consumer in a process of its own and writes down what it says. */
export function startMember(options: MemberOptions): RunningMember {
  const { name, client, address, topic } = options;
  const member: Member = { name, client, endedAtMs: undefined, ending: undefined, events: [] };
  const [command, args] =
    client === "kcat"
      ? (["kcat", kcatArguments(options)] as const)
      : ([
          process.execPath,
          [KAFKAJS_MEMBER, address, topic, GROUP, `${PARTITIONS}`, `${SESSION_TIMEOUT_MS}`],
        ] as const);
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const parse = client === "kcat" ? kcatEvent : kafkajsEvent;
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream.on("data", (chunk: Buffer) => {
      const atMs = member.ending === "killed" ? (member.endedAtMs ?? nowMs()) : nowMs();
      const lines = `${rest}${chunk.toString()}`.split("\n");
      // What has no end of line yet may be half of a number.
      rest = lines.pop() ?? "";
      for (const line of lines) take(member, parse(name, line, atMs));
    });
  }
  const ended = new Promise<void>((resolve) => {
    const finish = (): void => {
      member.endedAtMs ??= nowMs();
      member.ending ??= "unasked";
      resolve();
    };
    child.once("error", finish);
    child.once("close", finish);
  });
  return { member, child, ended };
}

/** Sends the signal and notes it. */
export function endMember({ member, child }: RunningMember, ending: "left" | "killed"): void {
  if (member.ending !== undefined) return;
  child.kill(ending === "left" ? "SIGTERM" : "SIGKILL");
  member.ending = ending;
  // A member that leaves may deliver until it is gone, and its end says when that was.
  if (ending === "killed") member.endedAtMs = nowMs();
}

function kcatArguments({ address, topic, ignoresGroupFor }: MemberOptions): string[] {
  const common = ["-b", address, "-u", "-f", "%p %o %s\\n", "-X", "fetch.wait.max.ms=200"];
  if (ignoresGroupFor !== undefined) return [...common, "-C", "-t", topic, "-p", `${ignoresGroupFor}`, "-o", "end"];
  const properties = {
    "session.timeout.ms": `${SESSION_TIMEOUT_MS}`,
    "max.poll.interval.ms": `${SESSION_TIMEOUT_MS}`,
    "heartbeat.interval.ms": "500",
    "auto.commit.interval.ms": "250",
    "auto.offset.reset": "earliest",
    "partition.assignment.strategy": "range",
  };
  return [
    ...common,
    ...Object.entries(properties).flatMap(([key, value]) => ["-X", `${key}=${value}`]),
    "-G",
    GROUP,
    topic,
  ];
}

/** `PARTITION OFFSET VALUE`, or what kcat says on a rebalance: `% Group g rebalanced (memberid m): assigned: t [0], …`. */
function kcatEvent(member: string, line: string, atMs: number): MemberEvent | undefined {
  if (line.startsWith("%")) {
    const found = /^% Group .* rebalanced .*?: (assigned|revoked)(.*)$/.exec(line);
    if (found === null) return undefined;
    const partitions = [...(found[2] ?? "").matchAll(/\[(\d+)\]/g)].map(([, id]) => Number(id));
    return { kind: "ownership", member, partitions: found[1] === "assigned" ? partitions : [], atMs };
  }
  const [partition = Number.NaN, offset = Number.NaN, value] = line.split(" ").map(Number);
  const isWhole = value === offset * PARTITIONS + partition;
  return { kind: "delivery", member, partition, first: offset, last: offset, atMs, isWhole };
}

function kafkajsEvent(member: string, line: string): MemberEvent | undefined {
  const [kind, time, ...rest] = line.split(" ");
  const atMs = Number(time);
  if (kind === "o") {
    const partitions = (rest[0] ?? "")
      .split(",")
      .filter((id) => id !== "")
      .map(Number);
    return { kind: "ownership", member, partitions, atMs };
  }
  if (kind !== "d") return undefined;
  const [partition = Number.NaN, first = Number.NaN, last = Number.NaN, whole] = rest.map(Number);
  return { kind: "delivery", member, partition, first, last, atMs, isWhole: whole === 1 };
}

function take({ events }: Member, event: MemberEvent | undefined): void {
  if (event === undefined) return;
  const last = events.at(-1);
  // Records that came by one read are one delivery.
  const isNext =
    event.kind === "delivery" &&
    last?.kind === "delivery" &&
    last.partition === event.partition &&
    last.last + 1 === event.first &&
    last.atMs === event.atMs &&
    last.isWhole === event.isWhole;
  if (isNext) events[events.length - 1] = { ...last, last: event.last };
  else events.push(event);
}
