import fc from "fast-check";
import { expect, test } from "vitest";
import type { ClusterCommand, ConfigOperation } from "#lib/cluster/cluster-command.ts";
import { initialClusterState } from "#lib/cluster/cluster-state.ts";
import { clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { topicIdOf } from "./cluster-harness.ts";

const { fold, encodeCommand, decodeCommand, encodeState, decodeState, encodeOutcome } = clusterStateMachine;

// Few names and ids, so that commands meet each other.
const topicId = fc.integer({ min: 1, max: 6 }).map(topicIdOf);
const name = fc.constantFrom("a", "b", "a.b", "a_b", "c.d", "ü");
const key = fc.constantFrom("retention.ms", "cleanup.policy", "segment.ms");
const value = fc.constantFrom("", "1", "compact", "delete,compact", "x,y,z");
const operation: fc.Arbitrary<ConfigOperation> = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), key, value }),
  fc.record({ kind: fc.constant("delete" as const), key }),
  fc.record({ kind: fc.constantFrom("append" as const, "subtract" as const), key, value, inherited: value }),
);
const alteration = fc.record({ replacesAll: fc.boolean(), operations: fc.array(operation, { maxLength: 4 }) });
const command: fc.Arbitrary<ClusterCommand> = fc.oneof(
  fc.record({ kind: fc.constant("name-cluster" as const), clusterId: name }),
  fc.record({
    kind: fc.constant("create-topic" as const),
    topicId,
    name,
    partitionCount: fc.integer({ min: 0, max: 5 }),
    replicationFactor: fc.integer({ min: 1, max: 3 }),
    journalCount: fc.integer({ min: 1, max: 4 }),
    configs: fc.array(fc.record({ key, value }), { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant("create-partitions" as const),
    topicId,
    partitionCount: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ kind: fc.constant("alter-topic-configs" as const), topicId, alteration }),
  fc.record({
    kind: fc.constant("alter-broker-configs" as const),
    brokerName: fc.constantFrom("", "1", "2"),
    alteration,
  }),
  fc.record({ kind: fc.constantFrom("delete-topic" as const, "forget-topic" as const), topicId }),
  fc.record({ kind: fc.constant("allocate-producer-ids" as const), count: fc.integer({ min: 0, max: 2_000 }) }),
  fc.record({
    kind: fc.constant("register-store" as const),
    storeId: fc.integer({ min: 0, max: 3 }),
    identity: topicId,
    url: fc.webUrl(),
  }),
);

function encoded(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  write(writer);
  return writer.toBytes();
}

test("a command reads as it was written", () => {
  fc.assert(
    fc.property(command, (each) => {
      const reader = new ByteReader(encoded((writer) => encodeCommand(each, writer)));
      expect(decodeCommand(reader)).toEqual(each);
      reader.end();
    }),
  );
});

test("a restored state folds on as the state itself does, byte for byte", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40 }), fc.array(command, { maxLength: 20 }), (before, after) => {
      const state = initialClusterState();
      const at = (seq: number) => ({ seq, indexInRecord: 0, proposedAtMs: 1_700_000_000_000 + seq });
      for (const [index, each] of before.entries()) fold(state, each, at(index + 1));
      const snapshot = encoded((writer) => encodeState(state, writer));
      const restored = decodeState(new ByteReader(snapshot));
      expect(restored).toEqual(state);
      expect(encoded((writer) => encodeState(restored, writer))).toEqual(snapshot);
      after.forEach((each, index) => {
        const outcome = (target: typeof state) => {
          const result = fold(target, each, at(before.length + index + 1));
          return encoded((writer) => encodeOutcome(result, writer));
        };
        expect(outcome(restored)).toEqual(outcome(state));
      });
      expect(encoded((writer) => encodeState(restored, writer))).toEqual(
        encoded((writer) => encodeState(state, writer)),
      );
    }),
  );
});

test("damaged bytes are a DecodeError, never anything else", () => {
  fc.assert(
    fc.property(
      fc.array(command, { minLength: 1, maxLength: 10 }),
      fc.nat(),
      fc.nat({ max: 255 }),
      (all, where, byte) => {
        const state = initialClusterState();
        for (const [index, each] of all.entries())
          fold(state, each, { seq: index + 1, indexInRecord: 0, proposedAtMs: 1 });
        const bytes = encoded((writer) => encodeState(state, writer));
        bytes[where % bytes.byteLength] = byte;
        for (const damaged of [bytes, bytes.subarray(0, where % bytes.byteLength)]) {
          try {
            decodeState(new ByteReader(damaged));
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
        }
      },
    ),
  );
});
