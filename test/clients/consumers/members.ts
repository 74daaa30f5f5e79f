import { type ChildProcess, spawn } from "node:child_process";
import { CLIENTS, kcatReader, type LineReader, type Place, rogueArguments } from "./clients.ts";
import { type Member, type MemberEvent, nowMs } from "./history.ts";
import type { Client } from "./plan.ts";

export interface RunningMember {
  readonly member: Member;
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
}

/** Starts a consumer in a process of its own and writes down what it says. */
export async function startMember(name: string, client: Client, place: Place): Promise<RunningMember> {
  const { command, reader } = CLIENTS[client];
  return follow(name, spawnQuiet(...(await command(place))), reader(name));
}

/** Reads a partition without asking the group, as a consumer would that ignores its assignment. */
export function startRogue(place: Place, partition: number): RunningMember {
  return follow("rogue", spawnQuiet("kcat", rogueArguments(place, partition)), kcatReader("rogue"));
}

const spawnQuiet = (command: string, args: readonly string[]): ChildProcess =>
  spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });

function follow(name: string, child: ChildProcess, read: LineReader): RunningMember {
  const member: Member = { name, endedAtMs: undefined, ending: undefined, events: [] };
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream?.on("data", (chunk: Buffer) => {
      const atMs = member.ending === "killed" ? (member.endedAtMs ?? nowMs()) : nowMs();
      const lines = `${rest}${chunk.toString()}`.split("\n");
      // What has no end of line yet may be half of a number.
      rest = lines.pop() ?? "";
      for (const line of lines) take(member, read(line, atMs));
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
