import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import kafkajs, { type Admin } from "kafkajs";
import type { Broker } from "../support/broker.ts";
import { collect, lastLines, sleep } from "../support/processes.ts";
import { eventually } from "../support/topics.ts";
import { PARTITIONS, type Place } from "./clients.ts";
import { type CommitPoll, type History, type Member, nowMs } from "./history.ts";
import { endMember, type RunningMember, startMember, startRogue } from "./members.ts";
import { type Cast, type Change, CONSUMERS, clientOf } from "./plan.ts";

const LOAD = fileURLToPath(new URL("load.ts", import.meta.url));
const POLL_MS = 1_000;
/** Ten processes start at once, and the first of them form a group that the others then join. */
const JOIN_MS_MAX = 90_000;
/** Two sessions may have to run out before the last rebalance, and what has gathered has to be read. */
const DRAIN_MS_MAX = 30_000;
const ROGUE_PARTITION = 0;

export interface RunResult {
  readonly history: History;
  readonly produced: number;
  /** A consumer that read a partition without asking the group: what the checks must find. */
  readonly rogue: Member;
}

export interface RunSettings {
  readonly broker: Broker;
  readonly cast: Cast;
  readonly plan: readonly Change[];
  readonly durationMs: number;
}

/** Produces at a steady rate while the plan is carried out, then lets the consumers that are left read to the log end. */
export async function runConsumers({ broker, cast, plan, durationMs }: RunSettings): Promise<RunResult> {
  const group = `ten-consumers-${cast.name}`;
  const topic = group;
  const kafka = new kafkajs.Kafka({ clientId: "observer", brokers: [broker.address], logLevel: 0 });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: 1 }] });
  const place = { address: broker.address, topic, group };
  const running = new Map<number, RunningMember>();
  const all: RunningMember[] = [];
  const polls: CommitPoll[] = [];
  const poller = pollCommits(admin, place, polls);
  const start = async (slot: number): Promise<void> => {
    const client = clientOf(cast, slot);
    const member = await startMember(`${client}-${all.length}`, client, place);
    all.push(member);
    running.set(slot, member);
  };
  try {
    const first = plan.filter(({ atMs }) => atMs === 0);
    for (const { slot } of first) await start(slot);
    await allShare(all);
    const startedAtMs = nowMs();
    const args = [LOAD, broker.address, topic, `${PARTITIONS}`, `${durationMs}`];
    const load = collect(spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] }), durationMs + 30_000);
    const rogue = startRogue(place, ROGUE_PARTITION);
    all.push(rogue);
    for (const { atMs, kind, slot } of plan.slice(first.length)) {
      await sleep(Math.max(0, startedAtMs + atMs - nowMs()));
      if (kind === "join") {
        await start(slot);
        continue;
      }
      const member = running.get(slot);
      running.delete(slot);
      if (member !== undefined) endMember(member, kind === "leave" ? "left" : "killed");
    }
    const { code, stdout, stderr } = await load;
    if (code !== 0) throw new Error(`the producer ended with ${code}: ${lastLines(stderr)}`);
    endMember(rogue, "left");
    const logEnds = await logEndsOf(admin, topic);
    const members = all.filter((each) => each !== rogue).map(({ member }) => member);
    await poller.until((offsets) => logEnds.every((end, i) => (offsets[i] ?? -1) >= end), DRAIN_MS_MAX);
    const endedAtMs = nowMs();
    // Who ends only because the run does owns what it owns to the end.
    const history = { members: members.map((member) => ({ ...member, events: [...member.events] })), polls, logEnds };
    return { history: { ...history, endedAtMs }, produced: Number(stdout), rogue: rogue.member };
  } finally {
    await poller.stop();
    for (const member of all) {
      endMember(member, "killed");
      // One that was told to leave may not have come to its end yet.
      member.child.kill("SIGKILL");
    }
    await Promise.all(all.map(({ ended }) => ended));
    await admin.disconnect();
  }
}

/** Resolves when each member has partitions, and together they have all. */
async function allShare(members: readonly RunningMember[]): Promise<void> {
  await eventually(
    "all consumers share the partitions",
    async () => {
      const owned = members.map(({ member }) => member.events.findLast(({ kind }) => kind === "ownership"));
      const partitions = owned.map((event) => (event?.kind === "ownership" ? event.partitions : []));
      return partitions.every(({ length }) => length > 0) && new Set(partitions.flat()).size === PARTITIONS;
    },
    JOIN_MS_MAX,
  );
}

async function logEndsOf(admin: Admin, topic: string): Promise<readonly number[]> {
  const ends = await admin.fetchTopicOffsets(topic);
  return Array.from({ length: PARTITIONS }, (_, i) =>
    Number(ends.find(({ partition }) => partition === i)?.high ?? -1),
  );
}

interface Poller {
  /** Resolves when the committed offsets satisfy `isDone`, or after the time: what is missing then, the checks tell. */
  until(isDone: (offsets: readonly number[]) => boolean, limitMs: number): Promise<void>;
  stop(): Promise<void>;
}

/** Asks once a second how far the group has come. */
function pollCommits(admin: Admin, { group, topic }: Place, polls: CommitPoll[]): Poller {
  let isStopped = false;
  const work = (async (): Promise<void> => {
    while (!isStopped) {
      const askedAtMs = nowMs();
      const answer = await admin.fetchOffsets({ groupId: group, topics: [topic] }).catch(() => []);
      const found = answer[0]?.partitions ?? [];
      const offsets = Array.from({ length: PARTITIONS }, (_, i) =>
        Number(found.find(({ partition }) => partition === i)?.offset ?? -1),
      );
      if (answer.length > 0) polls.push({ askedAtMs, answeredAtMs: nowMs(), offsets });
      await sleep(POLL_MS);
    }
  })();
  return {
    async until(isDone, limitMs) {
      const endMs = nowMs() + limitMs;
      while (nowMs() < endMs && !isDone(polls.at(-1)?.offsets ?? [])) await sleep(100);
    },
    async stop() {
      isStopped = true;
      await work;
    },
  };
}

/** How often each kind of change was carried out, without the first joins of all. */
export function changesOf(plan: readonly Change[], kind: Change["kind"]): number {
  return plan.filter((change) => change.kind === kind).length - (kind === "join" ? CONSUMERS : 0);
}
