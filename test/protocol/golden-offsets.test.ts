import { expect, test } from "vitest";
import { decode } from "#lib/protocol/codec.ts";
import { OffsetCommitRequest, OffsetCommitResponse } from "#lib/protocol/messages/offset-commit.ts";
import { OffsetFetchRequest, OffsetFetchResponse } from "#lib/protocol/messages/offset-fetch.ts";
import { uuidFromBytes } from "#lib/util/branded.ts";
import { goldenList, testGoldens } from "./golden.ts";

// The bytes were written by the message classes of Apache Kafka's Java client as those of golden-java.test.ts were:
// versions 0 and 1 of OffsetCommit and 0 of OffsetFetch by kafka-clients 3.9.2, the last to have them, all else by 4.3.1.

const { goldens, golden } = goldenList();
const topicId = uuidFromBytes(Buffer.from("bcb93a08695349ea943176d82a7f3318", "hex"));

const committedPartition = {
  partitionIndex: 4,
  committedOffset: 1234567890123,
  committedLeaderEpoch: 5,
  committedMetadata: "at lunch",
};
const commit = {
  groupId: "readers",
  generationIdOrMemberEpoch: 8,
  memberId: "m-1",
  retentionTimeMs: 86_400_000,
  topics: [{ name: "orders", topicId, partitions: [committedPartition] }],
};
const timestamped = [{ ...committedPartition, commitTimestamp: 1_700_000_000_000 }];
golden(
  OffsetCommitRequest,
  0,
  commit,
  "0007726561646572730000000100066f726465727300000001000000040000011f71fb04cb00086174206c756e6368",
);
golden(
  OffsetCommitRequest,
  1,
  { ...commit, topics: [{ name: "orders", partitions: timestamped }] },
  [
    "0007726561646572730000000800036d2d310000000100066f726465727300000001000000040000011f71fb04cb0000018bcfe568000008",
    "6174206c756e6368",
  ].join(""),
);
golden(
  OffsetCommitRequest,
  2,
  commit,
  [
    "0007726561646572730000000800036d2d310000000005265c000000000100066f726465727300000001000000040000011f71fb04cb0008",
    "6174206c756e6368",
  ].join(""),
);
golden(
  OffsetCommitRequest,
  6,
  commit,
  [
    "0007726561646572730000000800036d2d310000000100066f726465727300000001000000040000011f71fb04cb0000000500086174206c",
    "756e6368",
  ].join(""),
);
golden(
  OffsetCommitRequest,
  10,
  commit,
  [
    "087265616465727300000008046d2d310002bcb93a08695349ea943176d82a7f331802000000040000011f71fb04cb00000005096174206c",
    "756e6368000000",
  ].join(""),
);
golden(
  OffsetCommitResponse,
  0,
  { topics: [{ name: "orders", partitions: [{ partitionIndex: 4, errorCode: 28 }] }] },
  "0000000100066f72646572730000000100000004001c",
);

const oldFetch = { groupId: "readers", topics: [{ name: "orders", partitionIndexes: [0, 4] }] };
golden(OffsetFetchRequest, 0, oldFetch, "0007726561646572730000000100066f7264657273000000020000000000000004");
golden(OffsetFetchRequest, 1, oldFetch, "0007726561646572730000000100066f7264657273000000020000000000000004");
golden(OffsetFetchRequest, 7, { groupId: "readers", topics: null, requireStable: true }, "0872656164657273000100");
const fetch = {
  requireStable: true,
  groups: [
    {
      groupId: "readers",
      memberId: "m-1",
      memberEpoch: 8,
      topics: [{ name: "orders", topicId, partitionIndexes: [0, 4] }],
    },
    { groupId: "writers", topics: null },
  ],
};
golden(
  OffsetFetchRequest,
  8,
  fetch,
  "03087265616465727302076f72646572730300000000000000040000087772697465727300000100",
);
golden(
  OffsetFetchRequest,
  9,
  fetch,
  "030872656164657273046d2d310000000802076f72646572730300000000000000040000087772697465727300ffffffff00000100",
);
golden(
  OffsetFetchRequest,
  10,
  fetch,
  [
    "030872656164657273046d2d310000000802bcb93a08695349ea943176d82a7f33180300000000000000040000087772697465727300ffff",
    "ffff00000100",
  ].join(""),
);
const fetchedPartition = { partitionIndex: 4, committedOffset: 77, metadata: "at lunch", errorCode: 0 };
golden(
  OffsetFetchResponse,
  0,
  { topics: [{ name: "orders", partitions: [fetchedPartition] }] },
  "0000000100066f72646572730000000100000004000000000000004d00086174206c756e63680000",
);
const fetched = {
  throttleTimeMs: 3,
  groups: [
    {
      groupId: "readers",
      topics: [{ name: "orders", topicId, partitions: [{ ...fetchedPartition, committedLeaderEpoch: 5 }] }],
    },
    { groupId: "writers", topics: [], errorCode: 16 },
  ],
};
golden(
  OffsetFetchResponse,
  8,
  fetched,
  [
    "0000000303087265616465727302076f72646572730200000004000000000000004d00000005096174206c756e6368000000000000000877",
    "7269746572730100100000",
  ].join(""),
);
golden(
  OffsetFetchResponse,
  10,
  fetched,
  [
    "0000000303087265616465727302bcb93a08695349ea943176d82a7f33180200000004000000000000004d00000005096174206c756e6368",
    "0000000000000008777269746572730100100000",
  ].join(""),
);

testGoldens(goldens);

const hexOf = (title: string) => Buffer.from(goldens.find((each) => each.title.startsWith(title))?.hex ?? "", "hex");

test("an old commit has no member, no leader epoch and no topic id", () => {
  expect(decode(OffsetCommitRequest, 0, hexOf("OffsetCommitRequest v0"))).toMatchObject({
    generationIdOrMemberEpoch: -1,
    memberId: "",
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [{ name: "orders", partitions: [{ committedLeaderEpoch: -1, commitTimestamp: -1 }] }],
  });
});

test("a retention time of 2^63 - 1 in a commit becomes the largest safe integer", () => {
  const frame = hexOf("OffsetCommitRequest v2");
  const forever = Buffer.from(frame.toString("hex").replace("0000000005265c00", "7fffffffffffffff"), "hex");
  expect(decode(OffsetCommitRequest, 2, frame).retentionTimeMs).toBe(86_400_000);
  expect(decode(OffsetCommitRequest, 2, forever).retentionTimeMs).toBe(Number.MAX_SAFE_INTEGER);
});

test("null topics ask for all offsets of a group, but not in version 1", () => {
  expect(decode(OffsetFetchRequest, 7, hexOf("OffsetFetchRequest v7")).topics).toBeNull();
  expect(() => decode(OffsetFetchRequest, 1, Buffer.from("000172ffffffff", "hex"))).toThrow("topics must not be null");
});
