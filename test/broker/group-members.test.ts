import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { GroupClient, subscriptionOf } from "./group-client.ts";

const { NONE, UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, INVALID_GROUP_ID, INCONSISTENT_GROUP_PROTOCOL } = ErrorCode;

test("the broker that is asked is the coordinator of every group, in all versions", async () => {
  await using client = await GroupClient.start();
  const here = { nodeId: 0, host: "127.0.0.1", port: client.memory.port };
  for (const version of [0, 1, 3]) {
    const answer = await client.connection.send(Apis.FIND_COORDINATOR, version, { key: "readers" });
    expect(answer).toMatchObject({ errorCode: NONE, ...here });
  }
  for (const version of [4, 6]) {
    const { coordinators } = await client.connection.send(Apis.FIND_COORDINATOR, version, {
      coordinatorKeys: ["a", "b"],
    });
    expect(coordinators).toMatchObject(["a", "b"].map((key) => ({ key, errorCode: NONE, ...here })));
  }
});

test("a member joins, syncs, sends heartbeats and leaves in every version", async () => {
  await using client = await GroupClient.start();
  for (let version = 0; version <= 9; version++) {
    const groupId = `group ${version}`;
    let joined = await client.join({ groupId }, version);
    expect(joined.errorCode).toBe(version < 4 ? NONE : ErrorCode.MEMBER_ID_REQUIRED);
    if (version >= 4) joined = await client.join({ groupId, memberId: joined.memberId }, version);
    const { memberId, generationId } = joined;
    expect(joined).toMatchObject({ errorCode: NONE, generationId: 1, leader: memberId, protocolName: "range" });
    expect(joined.members.map((member) => member.memberId)).toEqual([memberId]);
    const member = { groupId, memberId, generationId };
    const syncVersion = Math.min(version, 5);
    const synced = await client.connection.send(Apis.SYNC_GROUP, syncVersion, {
      ...member,
      ...(syncVersion >= 5 ? { protocolType: "consumer", protocolName: "range" } : {}),
      assignments: [{ memberId, assignment: Uint8Array.of(7) }],
    });
    expect([synced.errorCode, [...synced.assignment]]).toEqual([NONE, [7]]);
    expect((await client.connection.send(Apis.HEARTBEAT, Math.min(version, 4), member)).errorCode).toBe(NONE);
    const leaveVersion = Math.min(version, 5);
    const leaving = leaveVersion < 3 ? { groupId, memberId } : { groupId, members: [{ memberId }] };
    const left = await client.connection.send(Apis.LEAVE_GROUP, leaveVersion, leaving);
    expect([left.errorCode, left.members.map(({ errorCode }) => errorCode)]).toEqual([NONE, version < 3 ? [] : [NONE]]);
    expect((await client.connection.send(Apis.HEARTBEAT, 3, member)).errorCode).toBe(UNKNOWN_MEMBER_ID);
  }
});

test("a group id is needed wherever members speak", async () => {
  await using client = await GroupClient.start();
  const member = { groupId: "", memberId: "m", generationId: 1 };
  expect((await client.join({ groupId: "" })).errorCode).toBe(INVALID_GROUP_ID);
  expect((await client.connection.send(Apis.SYNC_GROUP, 3, { ...member, assignments: [] })).errorCode).toBe(
    INVALID_GROUP_ID,
  );
  expect((await client.connection.send(Apis.HEARTBEAT, 4, member)).errorCode).toBe(INVALID_GROUP_ID);
  const members = [{ memberId: "m" }];
  expect((await client.connection.send(Apis.LEAVE_GROUP, 4, { groupId: "", members })).errorCode).toBe(
    INVALID_GROUP_ID,
  );
});

test("strangers and members of another generation are told so", async () => {
  await using client = await GroupClient.start();
  const member = await client.onlyMember("readers");
  const heartbeat = async (fields: object) =>
    (await client.connection.send(Apis.HEARTBEAT, 4, { ...member, ...fields })).errorCode;
  expect(await heartbeat({})).toBe(NONE);
  expect(await heartbeat({ memberId: "stranger" })).toBe(UNKNOWN_MEMBER_ID);
  expect(await heartbeat({ groupId: "no such group" })).toBe(UNKNOWN_MEMBER_ID);
  expect(await heartbeat({ generationId: 0 })).toBe(ILLEGAL_GENERATION);
  const sync = async (fields: object) => {
    const request = { ...member, protocolType: "consumer", protocolName: "range", assignments: [], ...fields };
    return (await client.connection.send(Apis.SYNC_GROUP, 5, request)).errorCode;
  };
  expect(await sync({})).toBe(NONE);
  expect(await sync({ memberId: "stranger" })).toBe(UNKNOWN_MEMBER_ID);
  expect(await sync({ generationId: 2 })).toBe(ILLEGAL_GENERATION);
  expect(await sync({ protocolName: "sticky" })).toBe(INCONSISTENT_GROUP_PROTOCOL);
  expect(await sync({ protocolName: null })).toBe(INCONSISTENT_GROUP_PROTOCOL);
});

test("session time-outs, protocols and the size of a group have limits", async () => {
  await using client = await GroupClient.start({ "group.max.size": "1" });
  const errorOf = async (fields: object) => (await client.join({ groupId: "readers", ...fields }, 3)).errorCode;
  expect(await errorOf({ sessionTimeoutMs: 5_999 })).toBe(ErrorCode.INVALID_SESSION_TIMEOUT);
  expect(await errorOf({ sessionTimeoutMs: 1_800_001 })).toBe(ErrorCode.INVALID_SESSION_TIMEOUT);
  expect(await errorOf({ protocols: [] })).toBe(INCONSISTENT_GROUP_PROTOCOL);
  expect(await errorOf({ protocolType: "" })).toBe(INCONSISTENT_GROUP_PROTOCOL);
  expect(await errorOf({ memberId: "stranger" })).toBe(UNKNOWN_MEMBER_ID);
  await client.onlyMember("readers");
  expect(await errorOf({})).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
  const other = [{ name: "sticky", metadata: subscriptionOf("orders") }];
  await client.onlyMember("writers");
  expect(await errorOf({ groupId: "writers", protocols: other })).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
});

test("a member whose protocols nobody shares does not get in", async () => {
  await using client = await GroupClient.start();
  await client.onlyMember("readers");
  const protocols = [{ name: "sticky", metadata: subscriptionOf("orders") }];
  expect((await client.join({ groupId: "readers", protocols }, 3)).errorCode).toBe(INCONSISTENT_GROUP_PROTOCOL);
  expect((await client.join({ groupId: "readers", protocolType: "connect" }, 3)).errorCode).toBe(
    INCONSISTENT_GROUP_PROTOCOL,
  );
});

test("LeaveGroup answers each member by itself, and takes static ones by their instance id alone", async () => {
  await using client = await GroupClient.start();
  const joined = await client.join({ groupId: "readers", groupInstanceId: "i1" }, 7);
  expect(joined.errorCode).toBe(NONE);
  const members = [
    { memberId: "", groupInstanceId: "i1" },
    { memberId: "", groupInstanceId: "i2" },
    { memberId: "stranger", groupInstanceId: null },
  ];
  const left = await client.connection.send(Apis.LEAVE_GROUP, 5, { groupId: "readers", members });
  expect(left.errorCode).toBe(NONE);
  expect(left.members).toMatchObject([
    { groupInstanceId: "i1", errorCode: NONE },
    { groupInstanceId: "i2", errorCode: UNKNOWN_MEMBER_ID },
    { memberId: "stranger", errorCode: UNKNOWN_MEMBER_ID },
  ]);
});

test("a member that waits for a round holds up nobody else", async () => {
  await using client = await GroupClient.start();
  const first = await client.onlyMember("readers");
  const connection = await client.memory.connect();
  const waiting = connection.send(Apis.JOIN_GROUP, 3, {
    groupId: "readers",
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 60_000,
    memberId: "",
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: subscriptionOf("orders") }],
  });
  const heartbeat = async () => (await client.connection.send(Apis.HEARTBEAT, 4, first)).errorCode;
  await expect.poll(heartbeat).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  await client.join({ groupId: "readers", memberId: first.memberId }, 3);
  expect(await waiting).toMatchObject({ errorCode: NONE, generationId: 2, leader: first.memberId, members: [] });
  await connection.close();
});
