import { z } from "zod";
import { isSubscribed } from "#lib/coordinator/consumer-instance.ts";
import type { InstanceView } from "#lib/coordinator/shell/instance-view.ts";
import type { ResolvedCommit } from "#lib/coordinator/shell/offset-calls.ts";
import { NOT_A_MEMBER } from "#lib/coordinator/shell/offset-calls.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { GROUP_ATTEMPTS_MAX } from "#lib/util/limits.ts";
import { askedPartitions, partitionsQuery } from "../consumers/asked-partitions.ts";
import {
  findInstanceOf,
  INSTANCE_REFUSALS,
  type InstanceCall,
  instanceError,
  instanceParams,
  movedOn,
} from "../consumers/find-instance.ts";
import { clusterSeqOf, OFFSETS_EXAMPLE, offsetsBody, withTopics } from "../consumers/instance-partitions.ts";
import { consumerBody, consumerExamples, OF_CONSUMERS } from "../consumers/request-types.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { httpErrorOf } from "../error-table.ts";
import { HttpError } from "../http-error.ts";

// What a group has committed, by one of its instances.

const PATH = "/consumers/{group}/instances/{instance}/offsets";

type OffsetsBody = z.output<typeof offsetsBody>;

const commitOffsets = endpoint(
  {
    method: "post",
    path: PATH,
    ...OF_CONSUMERS,
    operationId: "commitOffsets",
    summary: "Commit offsets",
    description:
      "Each offset is that of the last record that was handled, and the one behind it is committed, as the REST Proxy does. " +
      "Without a body: all that the instance has delivered.",
    params: instanceParams,
    body: consumerBody(offsetsBody.optional()),
    bodyExamples: consumerExamples(OFFSETS_EXAMPLE),
    answers: { 200: { description: "Committed", schema: z.array(z.unknown()).max(0), example: [] } },
    refusals: {
      404: `${INSTANCE_REFUSALS[404]} 40401: there is no such topic; 40402: it has no such partition.`,
      409: "40904: the group has moved on; 40905: partitions assigned by hand, and the group has members.",
    },
  },
  async (call) => {
    await findInstanceOf(call);
    if (call.body === undefined) await commitDelivered(call);
    else if (call.body.offsets.length > 0) await commitGiven(call, call.body.offsets);
    return { value: [] };
  },
);

const CommittedOffsets = z
  .object({
    offsets: z.array(z.object({ topic: z.string(), partition: z.int(), offset: z.int(), metadata: z.string() })),
  })
  .meta({ id: "V2CommittedOffsets" });

const showOffsets = endpoint(
  {
    method: "get",
    path: PATH,
    ...OF_CONSUMERS,
    operationId: "showCommittedOffsets",
    summary: "Committed offsets",
    description:
      'Of the partitions that `partitions` names, or a body as the REST Proxy takes it (`{"partitions":[…]}`), where it ' +
      "comes through; else of all that are assigned to the instance. Those without a committed offset are left out.",
    params: instanceParams,
    query: partitionsQuery,
    answers: {
      200: {
        description: "What the group has committed, by whomever.",
        schema: CommittedOffsets,
        example: { offsets: [{ topic: "orders", partition: 0, offset: 21, metadata: "" }] },
      },
    },
    refusals: { 404: `${INSTANCE_REFUSALS[404]} 40401: there is no such topic; 40402: it has no such partition.` },
  },
  async (call) => {
    const view = await findInstanceOf(call);
    const named = await withTopics(await askedPartitions(call, view), call);
    const { groups } = call.runtime.broker;
    const committed = await groups.offsets.fetch(call.params.group, NOT_A_MEMBER, call.signal);
    if (typeof committed === "number") throw httpErrorOf(committed);
    const offsets = named.flatMap(({ view: { topicId }, topic, partition }) => {
      const found = committed.get(topicId)?.get(partition);
      if (found === undefined || found.offset < 0) return [];
      return [{ topic, partition, offset: found.offset, metadata: found.metadata }];
    });
    return { value: { offsets } };
  },
);

export const V2_CONSUMER_OFFSET_ROUTES: readonly Endpoint[] = [commitOffsets, showOffsets];

async function commitDelivered(call: InstanceCall): Promise<void> {
  const { params, runtime, signal } = call;
  const { instances } = runtime.broker.groups;
  const who = { groupId: params.group, instanceId: params.instance };
  for (let attempt = 0; attempt < GROUP_ATTEMPTS_MAX; attempt++) {
    const view = await instances.viewNow(who, signal);
    if (typeof view === "number") throw instanceError(view, params);
    const to = { commits: true, delivers: false, positions: [], clusterSeq: 0 };
    if (await wasExpelled(view, call)) throw expelled();
    const result = await instances.advance(view, to, signal);
    if (result === "done") {
      // Just now, perhaps: what is not held any more is not committed.
      if (await wasExpelled(view, call)) throw expelled();
      return;
    }
    if (typeof result === "number") throw instanceError(result, params);
  }
  throw movedOn();
}

/** Whether it has delivered what is not its own to commit any more. */
async function wasExpelled(view: InstanceView, { runtime, signal }: InstanceCall): Promise<boolean> {
  if (!view.hasUncommitted || !isSubscribed(view)) return false;
  const { memberId } = await runtime.broker.groups.instances.committer(view, signal);
  return memberId === "";
}

function expelled(): HttpError {
  const message =
    "The group has given the instance's partitions to others, as it did not poll for too long: nothing is committed, and " +
    "what it has delivered since the last commit will be delivered again.";
  return new HttpError({ status: 409, errorCode: 40904, message });
}

/** The errors of a member that others have moved on since it was read. */
const BEHIND: readonly ErrorCode[] = [
  ErrorCode.STALE_MEMBER_EPOCH,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.GROUP_ID_NOT_FOUND,
];

async function commitGiven(call: InstanceCall, offsets: OffsetsBody["offsets"]): Promise<void> {
  const { params, runtime, signal } = call;
  const { instances, offsets: offsetCalls } = runtime.broker.groups;
  const who = { groupId: params.group, instanceId: params.instance };
  const resolve = async (isStale: boolean): Promise<ResolvedCommit> => {
    if (isStale) await runtime.broker.cluster.refresh(signal);
    return resolvedCommit(call, offsets);
  };
  for (let attempt = 0; attempt < GROUP_ATTEMPTS_MAX; attempt++) {
    const fault = await instances.beat(who, { givesUp: false }, signal);
    if (fault !== undefined) throw instanceError(fault.error, params, fault.message);
    // Whatever is wrong with the topics is told from here, as it is.
    await resolve(false);
    const committer = await instances.committer(who, signal);
    const fields = { groupId: params.group, groupInstanceId: undefined, knowsMemberEpochs: true };
    const error = await offsetCalls.commit({ ...fields, ...committer }, resolve, signal);
    if (error === ErrorCode.NONE) return;
    const isMember = committer.memberId !== "";
    if (!isMember && error === ErrorCode.UNKNOWN_MEMBER_ID) throw httpErrorOf(ErrorCode.NON_EMPTY_GROUP);
    if (!isMember || !BEHIND.includes(error)) throw httpErrorOf(error);
  }
  throw movedOn();
}

async function resolvedCommit(call: InstanceCall, offsets: OffsetsBody["offsets"]): Promise<ResolvedCommit> {
  const found = await withTopics(offsets, call);
  const metadataLengthMax = call.runtime.broker.cluster.brokerInteger("offset.metadata.max.bytes");
  const topics = found.map(({ view, partition, offset, metadata }) => {
    if ((metadata?.length ?? 0) > metadataLengthMax) throw httpErrorOf(ErrorCode.OFFSET_METADATA_TOO_LARGE);
    const fields = { leaderEpoch: -1, metadata: metadata ?? "", expiresAtMs: -1 };
    return { topicId: view.topicId, partitions: [{ partitionIndex: partition, offset: offset + 1, ...fields }] };
  });
  return { clusterSeq: clusterSeqOf(found.map(({ view }) => view)), topics };
}
