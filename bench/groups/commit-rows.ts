import { assertNoError } from "#lib/client/kafka-error.ts";
import type { TopicMetadata } from "#lib/client/topic-metadata.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { encodeRequestFrame } from "#lib/protocol/request-header.ts";
import { decodeResponseFrame } from "#lib/protocol/response-frame.ts";
import { type ContestantName, KAFKA, KAFKA_SYNCED, OURS, type Running, Samples } from "../kafka/contestants.ts";
import { alternate } from "../kafka/group.ts";
import { cpuSeconds, syncDisks } from "../support/machine.ts";
import { type Measured, rounded } from "../support/statistics.ts";
import type { ClassicMember } from "./classic-member.ts";
import { CLASSIC } from "./classic-protocol.ts";
import { type GroupRows, type GroupsContext, startBrokers } from "./context.ts";
import { newGroupTopic } from "./group-topic.ts";
import { RequestStream } from "./request-stream.ts";

/** As many offsets has each request. */
const PARTITIONS = 10;

/** A broker with groups that are ready to commit. */
interface Committing extends Running {
  readonly streams: readonly RequestStream[];
}

interface Load {
  readonly name: string;
  /** Of those there are. */
  readonly groups: number;
  readonly requestsInFlight: number;
}

const synced = (name: string): string => `${name}, Kafka syncing each append`;
const costOf = (name: string): string => `broker CPU: ${name}`;
const MANY = "offset commits, 50 groups";
const ONE = "offset commits, 1 group, one by one";

/** Offsets of ten partitions in each request, from members of classic groups. */
export const commitRows: GroupRows = {
  rows: [MANY, ONE].flatMap((name) => [name, synced(name), costOf(name)]),
  async measure(context) {
    const { groups, requestsInFlight } = context.sizes.commits;
    await using stack = new AsyncDisposableStack();
    const brokers = await startBrokers([OURS, KAFKA, KAFKA_SYNCED], context, stack);
    const committing = await Promise.all(brokers.map((running) => prepare(running, context, stack)));
    const loads: readonly Load[] = [
      { name: MANY, groups, requestsInFlight },
      { name: ONE, groups: 1, requestsInFlight: 1 },
    ];
    const measured: Measured[] = [];
    for (const load of loads) measured.push(...(await measureLoad(committing, load, context)));
    return measured;
  },
};

async function prepare(running: Running, context: GroupsContext, stack: AsyncDisposableStack): Promise<Committing> {
  const { broker } = running;
  const topic = await newGroupTopic(broker, PARTITIONS);
  const streams: RequestStream[] = [];
  for (let i = 0; i < context.sizes.commits.groups; i++) {
    const member = stack.use(await CLASSIC.open({ address: broker, groupId: `group-${i}`, topic }));
    await CLASSIC.form([member]);
    streams.push(stack.use(await openStream(running, member, topic)));
  }
  return { ...running, streams };
}

function openStream({ broker }: Running, member: ClassicMember, topic: TopicMetadata): Promise<RequestStream> {
  const api = Apis.OFFSET_COMMIT;
  const apiVersion = member.connection.versionOf(api);
  const partitions = topic.partitions.map(({ index }) => ({
    partitionIndex: index,
    committedOffset: 1_000_000_000 + index,
    committedMetadata: "",
  }));
  const { groupId } = member.options;
  const { name, topicId } = topic;
  const { memberId, generationId: generationIdOrMemberEpoch } = member;
  const request = { groupId, memberId, generationIdOrMemberEpoch, topics: [{ name, topicId, partitions }] };
  return RequestStream.open({
    address: broker,
    request: Buffer.concat(encodeRequestFrame(api, { apiVersion, correlationId: 1, clientId: "bench" }, request)),
    check: (answer) => {
      for (const each of decodeResponseFrame(api, apiVersion, answer).topics) {
        for (const { errorCode } of each.partitions) assertNoError(errorCode, groupId);
      }
    },
  });
}

async function measureLoad(
  brokers: readonly Committing[],
  load: Load,
  context: GroupsContext,
): Promise<readonly Measured[]> {
  const rates = new Samples();
  const costs = new Samples();
  await alternate(brokers, context, {
    measure: (committing) => commitAll(committing, load, context),
    keep: ({ contestant }, { rate, cost }) => {
      rates.add(contestant.name, rate);
      costs.add(contestant.name, cost);
      context.say(`${load.name}: ${contestant.name} ${rounded(rate)} commits/s, ${rounded(cost)} CPU s per million`);
    },
  });
  const rate = { unit: "commits/s", better: "higher", ours: rates.of("ours") } as const;
  const reference = (name: ContestantName) => ({ reference: rates.of(name) });
  const cost = {
    unit: "CPU s/million",
    better: "lower",
    ours: costs.of("ours"),
    reference: costs.of("kafka"),
  } as const;
  return [
    { name: load.name, ...rate, ...reference("kafka") },
    { name: synced(load.name), ...rate, ...reference("kafka-synced") },
    { name: costOf(load.name), ...cost },
  ];
}

async function commitAll({ broker, streams }: Committing, load: Load, { sizes }: GroupsContext) {
  await syncDisks();
  const pid = broker.pid ?? 0;
  const cpuBefore = cpuSeconds(pid);
  const beganMs = performance.now();
  const endMs = beganMs + sizes.commits.windowMs;
  const chosen = streams.slice(0, load.groups);
  const answered = await Promise.all(chosen.map((stream) => stream.run(load.requestsInFlight, endMs)));
  const seconds = (performance.now() - beganMs) / 1_000;
  const commits = answered.reduce((sum, count) => sum + count, 0);
  return { rate: commits / seconds, cost: ((cpuSeconds(pid) - cpuBefore) / commits) * 1e6 };
}
