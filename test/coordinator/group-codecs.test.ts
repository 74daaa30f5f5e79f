import { expect, test } from "vitest";
import { type ConsumerGroup, type ConsumerMember, newConsumerGroup } from "#lib/coordinator/consumer-group.ts";
import { addToIndexes } from "#lib/coordinator/consumer-group-index.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import {
  bytesOf,
  commitOf,
  encodedOutcome,
  encodedState,
  FoldedGroups,
  joinOf,
  reloaded,
  stableGroup,
  TOPIC,
  topicIdOf,
} from "./group-fixtures.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const joinedHex = (...parts: readonly string[]) => parts.join("").replaceAll(" ", "");

function encoded(command: GroupCommand): string {
  const writer = new ByteWriter();
  groupStateMachine.encodeCommand(command, writer);
  return hex(writer.toBytes());
}

test("a join has the drawn bytes", () => {
  const subscription = { topicNames: ["t"], owned: new Map([[TOPIC, [0, 300]]]), rackId: undefined };
  const command = joinOf("m", {
    groupId: "g",
    mustReserve: true,
    groupInstanceId: "i",
    protocols: [{ name: "range", metadata: bytesOf("xy") }],
    subscription,
  });
  expect(encoded(command)).toBe(
    joinedHex(
      "01 0167 016d 01 01 01 0169",
      "06636c69656e74 0a2f3132372e302e302e31",
      "0000ea60 00007530 08636f6e73756d6572",
      "01 0572616e6765 027879 e807 00",
      "01 01 0174 01 01 00000000000000000000000000000001 02 00 ac02 00",
    ),
  );
});

test("a commit has the drawn bytes", () => {
  const command = commitOf(258, { groupId: "g", memberId: "m", generationIdOrMemberEpoch: 3 });
  expect(encoded(command)).toBe(
    joinedHex(
      "0c 0167 016d 00 00000003 01 0a",
      "01 00000000000000000000000000000001",
      "01 00 0000000000000102 ffffffff 00 ffffffffffffffff",
    ),
  );
});

test("outcomes have the drawn bytes", () => {
  expect(hex(encodedOutcome({ kind: "done" }))).toBe("00");
  expect(hex(encodedOutcome({ kind: "refused", error: 25 }))).toBe("010019");
  expect(hex(encodedOutcome({ kind: "joined", round: 300, replacedMemberId: "m" }))).toBe("04ac0201016d");
  expect(hex(encodedOutcome({ kind: "left", errors: [0, 25] }))).toBe("080200000019");
  const assignment = new Map([[TOPIC, [1]]]);
  expect(hex(encodedOutcome({ kind: "consumer-heartbeat", memberEpoch: 2, assignment }))).toBe(
    "0a00000002010100000000000000000000000000000001" + "0101",
  );
});

test("a state has the drawn bytes", () => {
  const groups = new FoldedGroups();
  groups.fold(commitOf(258, { groupId: "g" }));
  groups.fold(joinOf("m", { groupId: "g", clientId: "c", clientHost: "h", initialDelayMs: 1 }));
  expect(hex(encodedState(groups.state))).toBe(
    joinedHex(
      "01 01 00 01",
      "0167 01 02 00000000000f4240",
      "00 01 08636f6e73756d6572 00 00 01016d 01 01",
      "01 016d 00 0163 0168 0000ea60 00007530 01 0572616e6765 0b746f70696373206f66206d 00 00 01 01 00 02",
      "00",
      "01 00000000000000000000000000000001 01 00",
      "0000000000000102 ffffffff 00 00000000000f4240 ffffffffffffffff 01",
    ),
  );
});

function memberOf(memberId: string, fields: Partial<ConsumerMember>): ConsumerMember {
  return {
    memberId,
    instanceId: undefined,
    rackId: undefined,
    clientId: "client",
    clientHost: "/127.0.0.1",
    rebalanceTimeoutMs: 60_000,
    subscribedTopicNames: [],
    subscribedTopicRegex: undefined,
    serverAssignor: undefined,
    memberEpoch: 5,
    previousMemberEpoch: 4,
    subscriptionEpoch: 3,
    state: "Stable",
    assigned: new Map(),
    pendingRevocation: new Map(),
    classic: undefined,
    seenSeq: 7,
    ...fields,
  };
}

function consumerGroup(): ConsumerGroup {
  const moving = memberOf("a", {
    instanceId: "i",
    rackId: "r",
    subscribedTopicNames: ["one", "two"],
    subscribedTopicRegex: "t.*",
    serverAssignor: "uniform",
    state: "UnrevokedPartitions",
    assigned: new Map([
      [topicIdOf(2), [0, 5]],
      [TOPIC, [1]],
    ]),
    pendingRevocation: new Map([[TOPIC, [2, 3]]]),
  });
  const classic = memberOf("b", {
    memberEpoch: -2,
    state: "UnreleasedPartitions",
    classic: { sessionTimeoutMs: 9_000, protocols: [{ name: "range", metadata: bytesOf("xy") }] },
  });
  const group: ConsumerGroup = {
    ...newConsumerGroup(),
    groupEpoch: 6,
    classicSizeMax: 300,
    assignmentEpoch: 5,
    metadataHash: "abc",
    metadataSeq: 12,
    members: new Map([
      ["a", moving],
      ["b", classic],
    ]),
    targetAssignment: new Map([["b", new Map([[TOPIC, [2, 3]]])]]),
    resolvedRegexes: new Map([["t.*", ["three", "two"]]]),
  };
  addToIndexes(group, moving, [2, 3, 4, 5, 1]);
  addToIndexes(group, classic);
  return group;
}

test("a snapshot brings a consumer group back whole, with what is derived from its members", () => {
  const groups = stableGroup("x");
  groups.group.membership = consumerGroup();
  const again = reloaded(groups.state);
  expect(again).toEqual(groups.state);
  const { membership } = [...again.groups.values()][0] ?? {};
  if (membership?.type !== "consumer") throw new Error("another type");
  expect([...membership.staticMembers]).toEqual([["i", "a"]]);
  expect(membership.holders.get(TOPIC)).toEqual(
    new Map([
      [1, { memberId: "a", sinceEpoch: 4 }],
      [2, { memberId: "a", sinceEpoch: 5 }],
      [3, { memberId: "a", sinceEpoch: 1 }],
    ]),
  );
});

test("a snapshot keeps the order of groups, members and offsets", () => {
  const groups = new FoldedGroups();
  for (const groupId of ["z", "a", "m"]) groups.fold(joinOf("first", { groupId, initialDelayMs: 1 }));
  for (const memberId of ["z", "a"]) groups.fold(joinOf(memberId, { groupId: "z" }));
  const again = reloaded(groups.state);
  expect([...again.groups.keys()]).toEqual(["z", "a", "m"]);
  const { membership } = again.groups.get("z") ?? {};
  expect([...(membership?.members.keys() ?? [])]).toEqual(["first", "z", "a"]);
});

test("bytes that a snapshot brings back do not hold the snapshot", () => {
  const again = reloaded(stableGroup("a").state);
  const { membership } = [...again.groups.values()][0] ?? {};
  const member = membership?.type === "classic" ? membership.members.get("a") : undefined;
  for (const kept of [member?.protocols[0]?.metadata, member?.assignment]) {
    expect(kept?.byteLength).toBeGreaterThan(0);
    expect(kept?.buffer.byteLength).toBe(kept?.byteLength);
  }
});

test("unknown kinds, types, states and versions are refused", () => {
  const command = (digits: string) => () => groupStateMachine.decodeCommand(new ByteReader(Buffer.from(digits, "hex")));
  expect(command("180167")).toThrow(/unknown kind of group command 24/);
  expect(command("000167")).toThrow(DecodeError);
  const state = (digits: string) => () => groupStateMachine.decodeState(new ByteReader(Buffer.from(digits, "hex")));
  expect(state("03000000")).toThrow(/unknown version 3/);
  expect(state(`010000010167${"00".repeat(10)}02`)).toThrow(/unknown type 2/);
  expect(state(`010000010167${"00".repeat(10)}0004`)).toThrow(/unknown state of a classic group/);
});
