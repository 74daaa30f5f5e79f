import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import {
  GROUP_ASSIGNMENTS_BYTES_MAX,
  GROUP_COMMIT_METADATA_BYTES_MAX,
  GROUP_MEMBER_BYTES_MAX,
} from "#lib/util/limits.ts";
import { GroupClient, subscriptionOf } from "./group-client.ts";

// What makes no sense in requests of groups, and the codes that Kafka has for it.

type Member = Awaited<ReturnType<GroupClient["onlyMember"]>>;

/** The error of one request, sent beside a stable group `readers` of the classic member that is given. */
type Ask = (client: GroupClient, member: Member) => Promise<number | undefined>;

interface Commit {
  readonly groupId?: string;
  readonly memberId?: string;
  readonly generationId?: number;
  readonly offset?: number;
  readonly metadata?: readonly string[];
}

/** A commit for as many partitions as there are metadata. */
async function commit(client: GroupClient, fields: Commit): Promise<number | undefined> {
  const { groupId = "readers", memberId = "", generationId = -1, offset = 1, metadata = [""] } = fields;
  const partitions = metadata.map((text, partitionIndex) => ({
    partitionIndex,
    committedOffset: offset,
    committedMetadata: text,
  }));
  const answer = await client.connection.send(Apis.OFFSET_COMMIT, 9, {
    groupId,
    generationIdOrMemberEpoch: generationId,
    memberId,
    topics: [{ name: "orders", partitions }],
  });
  return answer.topics[0]?.partitions[0]?.errorCode;
}

async function fetch(client: GroupClient, groupId: string): Promise<number | undefined> {
  const answer = await client.connection.send(Apis.OFFSET_FETCH, 8, { groups: [{ groupId, topics: null }] });
  return answer.groups[0]?.errorCode;
}

async function heartbeat(client: GroupClient, fields: object): Promise<number> {
  const joining = { memberEpoch: 0, rebalanceTimeoutMs: 60_000, topicPartitions: [], memberId: "m" };
  const request = { groupId: "modern", ...joining, subscribedTopicNames: ["orders"], ...fields };
  return (await client.connection.send(Apis.CONSUMER_GROUP_HEARTBEAT, 1, request)).errorCode;
}

async function join(client: GroupClient, fields: object): Promise<number> {
  return (await client.join({ groupId: "readers", ...fields }, 5)).errorCode;
}

async function sync(client: GroupClient, fields: object): Promise<number> {
  const request = { groupId: "readers", memberId: "", generationId: 1, assignments: [], ...fields };
  return (await client.connection.send(Apis.SYNC_GROUP, 3, request)).errorCode;
}

const stranger = { groupId: "readers", memberId: "stranger", generationId: 1 };
const sticky = [{ name: "sticky", metadata: subscriptionOf("orders") }];
const large = [{ name: "range", metadata: new Uint8Array(GROUP_MEMBER_BYTES_MAX) }];
const longNames = Array.from({ length: 5_000 }, (_, n) => `${n}`.padStart(240, "t"));
/** A whole commit of metadata that are each small enough. */
const manyTexts = Array.from({ length: GROUP_COMMIT_METADATA_BYTES_MAX / 4_096 + 1 }, () => "x".repeat(4_096));

test.each<[string, keyof typeof ErrorCode, Ask]>([
  [
    "a heartbeat of a stranger",
    "UNKNOWN_MEMBER_ID",
    async ({ connection }) => (await connection.send(Apis.HEARTBEAT, 4, stranger)).errorCode,
  ],
  [
    "a heartbeat of a stale generation",
    "ILLEGAL_GENERATION",
    async ({ connection }, member) =>
      (await connection.send(Apis.HEARTBEAT, 4, { ...member, generationId: 0 })).errorCode,
  ],
  [
    "a JoinGroup under an id that nobody was given",
    "UNKNOWN_MEMBER_ID",
    (client) => join(client, { memberId: "stranger" }),
  ],
  [
    "a JoinGroup with protocols that no other member has",
    "INCONSISTENT_GROUP_PROTOCOL",
    (client) => join(client, { protocols: sticky }),
  ],
  [
    "a JoinGroup with no protocol at all",
    "INCONSISTENT_GROUP_PROTOCOL",
    (client) => join(client, { groupId: "new", protocols: [] }),
  ],
  [
    "a JoinGroup of an instance that another member is",
    "FENCED_INSTANCE_ID",
    async (client) => {
      await client.join({ groupId: "static", groupInstanceId: "i" }, 5);
      return join(client, { groupId: "static", groupInstanceId: "i", memberId: "stranger" });
    },
  ],
  ["a JoinGroup with an empty group id", "INVALID_GROUP_ID", (client) => join(client, { groupId: "" })],
  [
    "a JoinGroup with too much metadata",
    "MESSAGE_TOO_LARGE",
    (client) => join(client, { groupId: "new", protocols: large }),
  ],
  [
    "a SyncGroup with too large assignments",
    "MESSAGE_TOO_LARGE",
    (client, member) =>
      sync(client, {
        ...member,
        assignments: [{ memberId: member.memberId, assignment: new Uint8Array(GROUP_ASSIGNMENTS_BYTES_MAX + 1) }],
      }),
  ],
  [
    "a SyncGroup of a stale generation",
    "ILLEGAL_GENERATION",
    (client, member) => sync(client, { ...member, generationId: 0 }),
  ],
  [
    "a commit of a stale generation",
    "ILLEGAL_GENERATION",
    (client, { memberId }) => commit(client, { memberId, generationId: 0 }),
  ],
  [
    "a commit of a stranger",
    "UNKNOWN_MEMBER_ID",
    (client) => commit(client, { memberId: "stranger", generationId: 1 }),
  ],
  ["a commit by nobody to a group with members", "UNKNOWN_MEMBER_ID", (client) => commit(client, {})],
  [
    "a commit with metadata that is too long",
    "OFFSET_METADATA_TOO_LARGE",
    (client) => commit(client, { groupId: "simple", metadata: ["x".repeat(4_097)] }),
  ],
  [
    "a commit with more metadata than fits",
    "INVALID_COMMIT_OFFSET_SIZE",
    (client) => commit(client, { groupId: "simple", metadata: manyTexts }),
  ],
  // Old simple consumers have an empty group id; nothing of their offsets is checked.
  ["a commit with an empty group id", "NONE", (client) => commit(client, { groupId: "" })],
  ["a fetch of offsets with an empty group id", "NONE", (client) => fetch(client, "")],
  ["a commit of a negative offset", "NONE", (client) => commit(client, { groupId: "simple", offset: -5 })],
  [
    "a deletion of offsets with an empty group id",
    "INVALID_GROUP_ID",
    async ({ connection }) => (await connection.send(Apis.OFFSET_DELETE, 0, { groupId: "", topics: [] })).errorCode,
  ],
  ["a consumer's heartbeat with an empty group id", "INVALID_REQUEST", (client) => heartbeat(client, { groupId: "" })],
  [
    "a consumer's heartbeat in a group that is not there",
    "GROUP_ID_NOT_FOUND",
    (client) => heartbeat(client, { memberEpoch: 3 }),
  ],
  [
    "a consumer's heartbeat at an epoch that it never had",
    "FENCED_MEMBER_EPOCH",
    async (client) => {
      await heartbeat(client, {});
      return heartbeat(client, { memberEpoch: 77 });
    },
  ],
  [
    "a consumer's heartbeat with too many names",
    "INVALID_REQUEST",
    (client) => heartbeat(client, { subscribedTopicNames: longNames }),
  ],
  [
    "a topic expression that is none",
    "INVALID_REGULAR_EXPRESSION",
    (client) => heartbeat(client, { subscribedTopicRegex: "(" }),
  ],
  [
    "a topic expression that looks back",
    "INVALID_REGULAR_EXPRESSION",
    (client) => heartbeat(client, { subscribedTopicRegex: "(a)\\1" }),
  ],
  [
    "a topic expression that explodes",
    "INVALID_REGULAR_EXPRESSION",
    (client) => heartbeat(client, { subscribedTopicRegex: "((a{1,1000}){1,1000}){1,1000}" }),
  ],
  [
    "a topic expression that would take a backtracker for ever",
    "NONE",
    (client) => heartbeat(client, { subscribedTopicRegex: "(a+)+$|(a|a)*b" }),
  ],
  ["an assignor that there is not", "UNSUPPORTED_ASSIGNOR", (client) => heartbeat(client, { serverAssignor: "magic" })],
])("%s is answered as by Kafka", async (_, expected, ask) => {
  await using client = await GroupClient.start();
  await client.createTopic("orders");
  const member = await client.onlyMember("readers");
  expect(await ask(client, member)).toBe(ErrorCode[expected]);
});
