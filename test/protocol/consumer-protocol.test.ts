import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import {
  decodeAssignment,
  decodeSubscribedTopics,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "#lib/protocol/consumer-protocol.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";

// The bytes were written by kafka-clients 4.3.1: `MessageUtil.toVersionPrefixedByteBuffer` of ConsumerProtocolSubscription
// and ConsumerProtocolAssignment with the values below.

const { MemberMetadata, MemberAssignment } = createRequire(import.meta.url)("kafkajs/src/consumer/assignerProtocol.js");

const fromHex = (text: string) => Buffer.from(text, "hex");
const hex = (bytes: Uint8Array | null) => Buffer.from(bytes ?? []).toString("hex");

const V0 = "0000000200066f726465727300087061796d656e7473000000030102ff";
const OWNED = "0000000100066f7264657273000000020000000000000007";
const SUBSCRIPTIONS = [
  `0000${V0}`,
  `0001${V0}${OWNED}`,
  `0002${V0}${OWNED}0000002a`,
  `0003${V0}${OWNED}0000002a000565752d3161`,
].map((written, version) => ({ version, written }));
const subscription = {
  topics: ["orders", "payments"],
  userData: Uint8Array.of(1, 2, 255),
  ownedPartitions: [{ topic: "orders", partitions: [0, 7] }],
  generationId: 42,
  rackId: "eu-1a",
};
const ASSIGNED = "0000000200066f726465727300000002000000010000000200087061796d656e747300000001000000000000000109";
const assignment = {
  assignedPartitions: [
    { topic: "orders", partitions: [1, 2] },
    { topic: "payments", partitions: [0] },
  ],
  userData: Uint8Array.of(9),
};

describe("a subscription", () => {
  test.each(SUBSCRIPTIONS)("of version $version is written as the Java client writes it", ({ version, written }) => {
    expect(hex(encodeSubscription(subscription, version))).toBe(written);
  });

  test.each(SUBSCRIPTIONS)("of version $version is read with what that version has", ({ version, written }) => {
    const read = decodeSubscription(fromHex(written));
    expect(hex(read.userData)).toBe("0102ff");
    expect(read).toMatchObject({
      version,
      topics: ["orders", "payments"],
      ownedPartitions: version >= 1 ? subscription.ownedPartitions : [],
      generationId: version >= 2 ? 42 : -1,
      rackId: version >= 3 ? "eu-1a" : null,
    });
  });

  test("that says nothing is empty, with null for user data", () => {
    const written = "000300000000ffffffff00000000ffffffffffff";
    expect(hex(encodeSubscription({ topics: [] }))).toBe(written);
    expect(decodeSubscription(fromHex(written))).toEqual({
      version: 3,
      topics: [],
      userData: null,
      ownedPartitions: [],
      generationId: -1,
      rackId: null,
    });
  });

  test("of a later version is read as version 3, whatever follows", () => {
    const later = fromHex(`0064${SUBSCRIPTIONS[3]?.written.slice(4)}0001ff`);
    expect(decodeSubscription(later)).toMatchObject({ version: 3, topics: subscription.topics, rackId: "eu-1a" });
    expect(hex(encodeSubscription(subscription, 100))).toBe(SUBSCRIPTIONS[3]?.written);
  });

  test("of kafkajs is read, and ours by kafkajs", () => {
    const theirs = MemberMetadata.encode({ version: 0, topics: ["orders"], userData: Buffer.from("u") });
    expect(decodeSubscription(theirs)).toMatchObject({ version: 0, topics: ["orders"], ownedPartitions: [] });
    expect(MemberMetadata.decode(encodeSubscription(subscription, 1))).toMatchObject({
      version: 1,
      topics: subscription.topics,
      userData: Buffer.from(subscription.userData),
    });
  });

  test("without the fields of its version is refused, yet its topics are known", () => {
    const theirs = MemberMetadata.encode({ version: 1, topics: ["orders"] });
    expect(() => decodeSubscription(theirs)).toThrow(ProtocolError);
    expect(decodeSubscribedTopics(theirs)).toEqual(["orders"]);
  });
});

describe("subscribed topics", () => {
  test.each(SUBSCRIPTIONS)("are read from version $version", ({ written }) => {
    expect(decodeSubscribedTopics(fromHex(written))).toEqual(["orders", "payments"]);
  });
});

describe("an assignment", () => {
  test.each([0, 1, 2, 3])("of version %i is written and read as by the Java client", (version) => {
    const written = `000${version}${ASSIGNED}`;
    expect(hex(encodeAssignment(assignment, version))).toBe(written);
    const read = decodeAssignment(fromHex(written));
    expect([read.version, read.assignedPartitions]).toEqual([version, assignment.assignedPartitions]);
    expect(hex(read.userData)).toBe("09");
  });

  test("of nothing has two bytes of version, and no bytes are no assignment", () => {
    expect(hex(encodeAssignment({ assignedPartitions: [] }, 0))).toBe("000000000000ffffffff");
    expect(decodeAssignment(fromHex("000000000000ffffffff"))).toEqual({
      version: 0,
      assignedPartitions: [],
      userData: null,
    });
    expect(() => decodeAssignment(new Uint8Array(0))).toThrow(ProtocolError);
  });

  test("of kafkajs is read, and ours by kafkajs", () => {
    const theirs = MemberAssignment.encode({ version: 1, assignment: { orders: [1, 2], payments: [0] } });
    expect(decodeAssignment(theirs)).toMatchObject({ version: 1, assignedPartitions: assignment.assignedPartitions });
    expect(MemberAssignment.decode(encodeAssignment(assignment, 1))).toMatchObject({
      assignment: { orders: [1, 2], payments: [0] },
    });
  });
});

test("user data of any size goes both ways, and is read as a view", () => {
  const userData = Uint8Array.from({ length: 300_000 }, (_, i) => i);
  const written = encodeSubscription({ topics: ["t"], userData });
  const read = decodeSubscription(written).userData;
  expect(Buffer.compare(read ?? new Uint8Array(0), userData)).toBe(0);
  expect(read?.buffer).toBe(written.buffer);
});

describe("bytes that are no consumer protocol", () => {
  test.each(["", "00", "ffff00000000ffffffff", "0000ffffffff", "00007fffffff", "0000000000010005ab", "text"])(
    "such as %j are refused",
    (text) => {
      const bytes = text === "text" ? Buffer.from("some client's own metadata") : fromHex(text);
      expect(() => decodeSubscription(bytes)).toThrow(ProtocolError);
      expect(() => decodeSubscribedTopics(bytes)).toThrow(ProtocolError);
      expect(() => decodeAssignment(bytes)).toThrow(ProtocolError);
    },
  );

  test("are not written in a version below 0", () => {
    expect(() => encodeAssignment(assignment, -1)).toThrow(ProtocolError);
  });
});
