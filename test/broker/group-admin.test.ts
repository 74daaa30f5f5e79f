import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { GroupClient, subscriptionOf } from "./group-client.ts";

const { NONE, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP } = ErrorCode;

async function withGroups(): Promise<GroupClient> {
  const client = await GroupClient.start();
  await client.createTopic("orders");
  await client.createTopic("prices");
  await client.onlyMember("stable");
  await client.commit("simple", 3);
  return client;
}

test("ListGroups names every group with its state and type, and filters by both", async () => {
  await using client = await withGroups();
  const list = async (version: number, filters: object = {}) => {
    const { groups, errorCode } = await client.connection.send(Apis.LIST_GROUPS, version, filters);
    expect(errorCode).toBe(NONE);
    return groups.map(({ groupId, protocolType, groupState, groupType }) =>
      [groupId, protocolType, groupState, groupType].slice(0, version >= 5 ? 4 : version >= 4 ? 3 : 2).join(" "),
    );
  };
  expect((await list(0)).sort()).toEqual(["simple ", "stable consumer"]);
  expect((await list(4)).sort()).toEqual(["simple  Empty", "stable consumer Stable"]);
  expect((await list(5)).sort()).toEqual(["simple  Empty classic", "stable consumer Stable classic"]);
  expect(await list(5, { statesFilter: ["stable"] })).toEqual(["stable consumer Stable classic"]);
  expect(await list(5, { typesFilter: ["consumer"] })).toEqual([]);
  expect(await list(5, { typesFilter: ["Classic"], statesFilter: ["Empty"] })).toEqual(["simple  Empty classic"]);
});

test("DescribeGroups shows members with what they said and own, and dead groups by version", async () => {
  await using client = await withGroups();
  for (let version = 0; version <= 6; version++) {
    const { groups } = await client.connection.send(Apis.DESCRIBE_GROUPS, version, {
      groups: ["stable", "simple", "nobody"],
      ...(version >= 3 ? { includeAuthorizedOperations: true } : {}),
    });
    expect(groups[0]).toMatchObject({
      errorCode: NONE,
      groupState: "Stable",
      protocolType: "consumer",
      protocolData: "range",
    });
    const member = groups[0]?.members[0];
    expect(member?.clientHost).toMatch(/^\/(127\.0\.0\.1|::1)$/);
    expect([...(member?.memberAssignment ?? [])]).toEqual([1, 2, 3]);
    expect(Buffer.compare(member?.memberMetadata ?? Buffer.of(), subscriptionOf("orders"))).toBe(0);
    expect(groups[1]).toMatchObject({ errorCode: NONE, groupState: "Empty", protocolType: "", members: [] });
    const isFound = version < 6 ? NONE : GROUP_ID_NOT_FOUND;
    expect(groups[2]).toMatchObject({ errorCode: isFound, groupState: "Dead" });
    if (version >= 3) expect(groups[0]?.authorizedOperations).toBe(0b1101_0100_1000);
  }
});

test("DeleteGroups takes empty groups alone", async () => {
  await using client = await withGroups();
  for (const version of [0, 2]) {
    const groupsNames = ["stable", "simple", "nobody"];
    const { results } = await client.connection.send(Apis.DELETE_GROUPS, version, { groupsNames });
    const simple = version === 0 ? NONE : GROUP_ID_NOT_FOUND;
    expect(results.map(({ errorCode }) => errorCode)).toEqual([NON_EMPTY_GROUP, simple, GROUP_ID_NOT_FOUND]);
  }
  expect(await client.offsets("simple")).toEqual([]);
});

test("OffsetDelete leaves topics alone that members read, and groups that it cannot know", async () => {
  await using client = await withGroups();
  const member = await client.onlyMember("readers");
  await client.commit("readers", 1, member);
  await client.commit("readers", 2, { ...member, topic: "prices" });
  const deleteOffsets = async (groupId: string) => {
    const topics = ["orders", "prices", "nowhere"].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] }));
    const answer = await client.connection.send(Apis.OFFSET_DELETE, 0, { groupId, topics });
    return [answer.errorCode, ...answer.topics.map(({ partitions }) => partitions[0]?.errorCode)];
  };
  const { GROUP_SUBSCRIBED_TO_TOPIC, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode;
  expect(await deleteOffsets("readers")).toEqual([NONE, GROUP_SUBSCRIBED_TO_TOPIC, NONE, UNKNOWN_TOPIC_OR_PARTITION]);
  expect(await client.offsets("readers")).toEqual([["orders", 0, 1]]);
  expect(await deleteOffsets("nobody")).toEqual([GROUP_ID_NOT_FOUND]);
  expect(await deleteOffsets("")).toEqual([ErrorCode.INVALID_GROUP_ID]);
  await client.onlyMember("workers", { protocolType: "connect" });
  expect(await deleteOffsets("workers")).toEqual([NON_EMPTY_GROUP]);
});
