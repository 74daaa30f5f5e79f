import type { AppendAnswer, PartitionAppend } from "#lib/log/log-api.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { ProduceRequest, ProduceResponse } from "#lib/protocol/messages/produce.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import { PRODUCE_REQUEST_MS_MIN } from "#lib/util/limits.ts";
import { admitBatch, type RefusedBatch } from "../admit-batch.ts";
import { endpointAnswer, nodesAmong } from "../broker-nodes.ts";
import type { BrokerServices } from "../broker-services.ts";
import { type Admission, overlappingHandler } from "../handler.ts";
import { freshenRefusals, type TopicPartitionPlace } from "../leader-looks.ts";
import type { Leadership } from "../replica-nodes.ts";
import type { RequestContext } from "../request-context.ts";
import { hasPartition, highest, type ResolveTopic, resolveTopics } from "../resolve-topics.ts";

// Produce v3-13.
// - Order: batches enter the append path in the order of their requests; only the wait for the commit overlaps.
// - acks=1 is acks=all without the refusal by min.insync.replicas; acks=0 has no answer, and an error closes the
//   connection, as on Kafka.
// - Transactional batches are refused until transactions exist.
// v5 answers with the log start offset. v8 gives a text to each error (KIP-467). v13 names topics by id (KIP-516).

type TopicAnswer = ProduceResponse["responses"][number];
type PartitionAnswer = TopicAnswer["partitionResponses"][number];

/** One partition of the request: refused at the door, or on its way. */
type Admitted =
  | RefusedBatch
  | { readonly kind: "elsewhere"; readonly place: TopicPartitionPlace; readonly leader: Leadership }
  | { readonly kind: "append"; readonly append: PartitionAppend; readonly logAppendTimeMs: TimestampMs };

const FIRST_VERSION_WITH_LEADERS = 10;

export const produce = overlappingHandler(Apis.PRODUCE, async (request, context, services) => {
  const { acks } = request;
  // Bounded memory: a client that sends faster than we commit is not read until there is room again.
  await services.appender.whenBelowLimit();
  const references = request.topicData.map(({ name, topicId, partitionData }) => ({
    name,
    topicId,
    highestPartition: highest(partitionData.map(({ index }) => index)),
  }));
  const options = { byId: context.apiVersion >= 13, signal: context.signal };
  const resolve = await resolveTopics(services.cluster, references, options);
  const admit = (topic: RequestTopic, partition: RequestTopic["partitionData"][number]) =>
    admitPartition(request, { topic, partition }, { resolve, context, services });
  let admitted = request.topicData.map((topic) => topic.partitionData.map((partition) => admit(topic, partition)));
  const elsewhere = placesElsewhere(admitted);
  if (elsewhere.length > 0) {
    await freshenRefusals(elsewhere, context.signal, services);
    admitted = request.topicData.map((topic, at) =>
      topic.partitionData.map((partition, i) => {
        const before = admitted[at]?.[i];
        return before === undefined || before.kind === "elsewhere" ? admit(topic, partition) : before;
      }),
    );
  }
  const answer = append(admitted.flat(), request, { context, services }).then((answers) => {
    if (acks === 0) return answers.some(({ errorCode }) => errorCode !== ErrorCode.NONE) ? "close" : "none";
    return { ...response(request, admitted, answers), ...leaderEndpoints(answers, { context, services }) };
  });
  return { answer } satisfies Admission<unknown>;
});

function placesElsewhere(admitted: readonly (readonly Admitted[])[]): readonly TopicPartitionPlace[] {
  const places: TopicPartitionPlace[] = [];
  for (const ofTopic of admitted) {
    for (const each of ofTopic) if (each.kind === "elsewhere") places.push(each.place);
  }
  return places;
}

/** Where to find the leaders that the answers name. */
function leaderEndpoints(answers: readonly PartitionAnswerBody[], { context, services }: Surroundings) {
  const leaderIds = new Set(answers.flatMap(({ currentLeader }) => currentLeader?.leaderId ?? []));
  if (leaderIds.size === 0) return {};
  return { nodeEndpoints: nodesAmong(leaderIds, services, context.listener).map(endpointAnswer) };
}

interface Surroundings {
  readonly context: RequestContext;
  readonly services: BrokerServices;
}

type RequestTopic = ProduceRequest["topicData"][number];

function admitPartition(
  request: ProduceRequest,
  { topic, partition }: { readonly topic: RequestTopic; readonly partition: RequestTopic["partitionData"][number] },
  { resolve, context, services }: Surroundings & { readonly resolve: ResolveTopic },
): Admitted {
  if (request.acks !== 0 && request.acks !== 1 && request.acks !== -1) {
    return refused(ErrorCode.INVALID_REQUIRED_ACKS, `acks is ${request.acks}, not -1, 0 or 1`);
  }
  if (request.transactionalId !== null) {
    return refused(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "transactions are not supported yet");
  }
  const view = resolve(topic);
  if (typeof view === "number") return refused(view, "this broker knows no such topic");
  if (!hasPartition(view, partition.index)) {
    return refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `${view.name} has ${view.partitionCount} partitions`);
  }
  const place = { topic: view.placement, partitionIndex: partition.index };
  if (request.acks !== 0 && context.listener.isOnlyDoor !== true) {
    const leader = services.nodes.leaderOf(place.topic, place.partitionIndex);
    if (leader.leaderId !== services.identity.brokerId) return { kind: "elsewhere", place, leader };
  }
  const verdict = admitBatch(partition.records, view, {
    produceVersion: context.apiVersion,
    nowMs: services.clock.nowMs(),
  });
  if (verdict.kind === "refused") return verdict;
  const { bytes, header, logAppendTimeMs } = verdict;
  if (header.isTransactional) {
    return refused(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "transactions are not supported yet");
  }
  return { kind: "append", append: { ...place, header, bytes }, logAppendTimeMs };
}

function refused(error: ErrorCode, message: string): Admitted {
  return { kind: "refused", error, message };
}

/** Appends what was admitted; the answers stand in the order of `admitted`. */
async function append(
  admitted: readonly Admitted[],
  request: ProduceRequest,
  { context, services }: Surroundings,
): Promise<readonly PartitionAnswerBody[]> {
  const appends = admitted.flatMap((each) => (each.kind === "append" ? [each.append] : []));
  // With acks=0 a client may send and hang up at once: nothing waits for an answer, and the records still count.
  const hangUp = request.acks === 0 ? undefined : context.signal;
  using limit = timeLimit(services.clock, Math.max(request.timeoutMs, PRODUCE_REQUEST_MS_MIN), hangUp);
  const answers =
    appends.length === 0
      ? []
      : await services.appender.append(appends, { signal: limit.signal, requireMinInsync: request.acks === -1 });
  let next = 0;
  return admitted.map((each) => {
    if (each.kind === "refused") return refusedBody(each);
    return each.kind === "elsewhere" ? elsewhereBody(each, context) : appendedBody(each, answers[next++]);
  });
}

type PartitionAnswerBody = Omit<PartitionAnswer, "index" | "recordErrors" | "currentLeader"> & {
  readonly recordErrors: NonNullable<RefusedBatch["recordErrors"]>;
  readonly currentLeader?: Leadership;
};

function elsewhereBody(
  { leader }: { readonly leader: Leadership },
  { apiVersion }: RequestContext,
): PartitionAnswerBody {
  const { leaderId, leaderEpoch } = leader;
  const message = `broker ${leaderId} leads this partition`;
  const refusal = refusedBody({ error: ErrorCode.NOT_LEADER_OR_FOLLOWER, message });
  return apiVersion < FIRST_VERSION_WITH_LEADERS ? refusal : { ...refusal, currentLeader: { leaderId, leaderEpoch } };
}

function refusedBody(
  refusal: Pick<RefusedBatch, "error"> & Partial<Pick<RefusedBatch, "message" | "recordErrors">>,
): PartitionAnswerBody {
  const { error, message = null, recordErrors = [] } = refusal;
  const nowhere = { baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 };
  return { errorCode: error, errorMessage: message, recordErrors, ...nowhere };
}

function appendedBody(
  { logAppendTimeMs }: { readonly logAppendTimeMs: TimestampMs },
  answer: AppendAnswer | undefined,
): PartitionAnswerBody {
  if (answer === undefined) return refusedBody({ error: ErrorCode.UNKNOWN_SERVER_ERROR });
  if (answer.kind === "refused") return refusedBody(answer);
  const { baseOffset, logStartOffset } = answer;
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    recordErrors: [],
    baseOffset,
    logAppendTimeMs,
    logStartOffset,
  };
}

function response(
  request: ProduceRequest,
  admitted: readonly (readonly Admitted[])[],
  answers: readonly PartitionAnswerBody[],
) {
  let next = 0;
  const responses = request.topicData.map((topic, at) => {
    const first = next;
    next += admitted[at]?.length ?? 0;
    const bodies = answers.slice(first, next);
    return {
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map(({ index }, i) => ({
        index,
        ...(bodies[i] ?? refusedBody({ error: ErrorCode.UNKNOWN_SERVER_ERROR })),
      })),
    };
  });
  return { responses, throttleTimeMs: 0 };
}
